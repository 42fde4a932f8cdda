rule ace_archive : suspicious
{
    meta:
        description = "An ACE archive, which nobody makes any more: programs that open it can be led out of the folder (CVE-2018-20250)"
        reference = "https://nvd.nist.gov/vuln/detail/CVE-2018-20250"
    strings:
        $mark = "**ACE**"
    condition:
        $mark at 7
}
