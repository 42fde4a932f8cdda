rule equation_editor : exploit
{
    meta:
        description = "Office's old equation editor, which runs what is hidden in an equation (CVE-2017-11882, CVE-2018-0802)"
        reference = "https://nvd.nist.gov/vuln/detail/CVE-2017-11882"
    strings:
        // CLSID 0002CE02-0000-0000-C000-000000000046 as a compound file has it, and as RTF spells it.
        $class = { 02 CE 02 00 00 00 00 00 C0 00 00 00 00 00 00 46 }
        $spelt = "02ce020000000000c000000000000046" nocase
        // "Equation.3" with its length in an object's data, in hexadecimal digits.
        $named = "0b0000004571756174696f6e2e33" nocase
    condition:
        (uint32be(0) == 0xD0CF11E0 and $class) or (uint32be(0) == 0x7B5C7274 and ($spelt or $named))
}
