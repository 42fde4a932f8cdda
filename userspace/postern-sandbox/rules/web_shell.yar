rule web_shell
{
    meta:
        description = "PHP that runs what a request brings"
    strings:
        $php = "<?php" nocase
        $short = "<?="
        $direct = /\b(eval|assert|system|passthru|shell_exec|exec|popen)\s{0,5}\(\s{0,5}@?\$_(GET|POST|REQUEST|COOKIE)\s{0,5}\[/ nocase
        $decoded = /\b(eval|assert)\s{0,5}\(\s{0,5}(base64_decode|gzinflate|str_rot13|gzuncompress)\s{0,5}\([^;]{0,200}\$_(GET|POST|REQUEST|COOKIE)/ nocase
    condition:
        filesize < 1MB and ($php or $short) and ($direct or $decoded)
}
