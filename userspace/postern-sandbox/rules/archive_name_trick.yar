rule archive_name_trick : exploit
{
    meta:
        description = "A ZIP with a document and a folder of the same name and a blank, from which WinRAR starts a program (CVE-2023-38831)"
        reference = "https://nvd.nist.gov/vuln/detail/CVE-2023-38831"
    strings:
        // Name and folder in the head of a file (APPNOTE 4.3.7), with its 26 octets in between.
        $head = /PK\x03\x04[\x00-\xff]{26}[^\/\x00]{0,100}\.(pdf|jpe?g|png|gif|txt|docx?|xlsx?) \/[^\/\x00]{0,100}\.(pdf|jpe?g|png|gif|txt|docx?|xlsx?) ?\.(cmd|bat|exe|vbs|js|lnk|ps1|com|scr)/ nocase
    condition:
        uint32be(0) == 0x504B0304 and $head
}
