rule powershell_cradle
{
    meta:
        description = "PowerShell that loads text from the network and runs it"
    strings:
        $run1 = /\biex\b/ ascii wide nocase
        $run2 = "invoke-expression" ascii wide nocase
        $run3 = "[scriptblock]::create" ascii wide nocase
        $load1 = /\.download(string|data)\s{0,5}\(/ ascii wide nocase
        $load2 = /\b(iwr|irm|invoke-webrequest|invoke-restmethod)\s{1,5}(-\w{1,16}\s{1,5}){0,4}["']?https?:/ ascii wide nocase
        $from = "http" ascii wide nocase
    condition:
        filesize < 2MB and any of ($run*) and any of ($load*) and $from
}
