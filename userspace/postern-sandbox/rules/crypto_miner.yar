rule crypto_miner
{
    meta:
        description = "Names a pool of miners and how to work for it"
    strings:
        $pool = /stratum(2)?\+(tcp|ssl|tls):\/\/[\w.-]{4,}/ nocase
        $option1 = "--donate-level" nocase
        $option2 = "\"donate-level\"" nocase
        $option3 = "randomx" nocase
        $option4 = "--coin" nocase
        $option5 = "cryptonight" nocase
        $option6 = "xmrig" nocase
    condition:
        $pool and any of ($option*)
}
