rule msdt_link : exploit
{
    meta:
        description = "A link that has Windows' support tool run a command (Follina, CVE-2022-30190)"
        reference = "https://nvd.nist.gov/vuln/detail/CVE-2022-30190"
    strings:
        $link = "ms-msdt:" ascii wide nocase
        $tool = "PCWDiagnostic" ascii wide nocase
        $browse = "IT_BrowseForFile" ascii wide nocase
        $launch = "IT_LaunchMethod" ascii wide nocase
    condition:
        $link and $tool and any of ($browse, $launch)
}
