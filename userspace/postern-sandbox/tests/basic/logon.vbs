' What an administrator has: drives and a printer by the user's group.
Option Explicit
Const SERVER = "\\files"
Dim network, group, drives(1), n
Set network = CreateObject("WScript.Network")
drives(0) = "home" : drives(1) = "common"
group = LCase(network.UserDomain)
Select Case group
    Case "office", "sales" : Map "H:", drives(0)
    Case Else : Map "X:", "guests"
End Select
For n = 0 To UBound(drives)
    If n > 0 Then Map Chr(Asc("P") + n) & ":", drives(n)
Next
If Weekday(Date) = vbMonday Then WScript.Echo "Have a good week, " & network.UserName
Sub Map(letter, share)
    On Error Resume Next
    network.MapNetworkDrive letter, SERVER & "\" & share
    If Err.Number <> 0 Then WScript.Echo "No " & letter : Err.Clear
End Sub
