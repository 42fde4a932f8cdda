rule amsi_bypass
{
    meta:
        description = "Switches off Windows' look at scripts (AMSI) before it goes on"
    strings:
        $class = "System.Management.Automation.AmsiUtils" ascii wide nocase
        $field1 = "amsiInitFailed" ascii wide nocase
        $field2 = "amsiContext" ascii wide nocase
        $field3 = "amsiSession" ascii wide nocase
        $call = "AmsiScanBuffer" ascii wide nocase
        $protect = "VirtualProtect" ascii wide nocase
        $library = "amsi.dll" ascii wide nocase
    condition:
        filesize < 8MB and (($class and any of ($field*)) or ($call and $protect and $library and not uint16be(0) == 0x4D5A))
}
