rule compiled_help : suspicious
{
    meta:
        description = "Compiled help of Windows (CHM), whose pages may start programs when it is opened"
    strings:
        $mark = { 49 54 53 46 03 00 00 00 60 00 00 00 }
    condition:
        $mark at 0
}
