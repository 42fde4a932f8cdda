./worker -o stratum+tcp://pool.example.org:3333 -u wallet --donate-level 1 -k
