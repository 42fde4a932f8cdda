# Loads the list of prices and prints it.
$prices = Invoke-WebRequest -Uri https://example.org/prices.csv -OutFile prices.csv
Import-Csv prices.csv | Format-Table
