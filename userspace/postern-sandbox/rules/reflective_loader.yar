rule reflective_loader
{
    meta:
        description = "A library that loads itself into another program's memory"
    strings:
        $export = /\x00_?Reflective(Dll)?Loader(@\d{1,2})?\x00/
    condition:
        uint16be(0) == 0x4D5A and uint32be(uint32(0x3C)) == 0x50450000 and $export
}
