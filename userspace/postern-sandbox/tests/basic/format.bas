Attribute VB_Name = "ThisWorkbook"
Option Explicit

Private Sub Workbook_Open()
    Dim row As Long, total As Double
    Application.ScreenUpdating = False
    With Worksheets("Sheet1")
        .Range("A1").Value = "Month"
        .Range("A1:B1").Font.Bold = True
        For row = 2 To 13
            .Cells(row, 1).Value = MonthName(row - 1)
            .Cells(row, 2).Value = row * 1.5
            total = total + .Cells(row, 2).Value
        Next row
        .Range("B14").Value = Format(total, "0.00")
        .Columns("A:B").AutoFit
    End With
    If total > 100 Then Worksheets("Sheet1").Range("B14").Interior.Color = RGB(255, 0, 0)
    Application.ScreenUpdating = True
End Sub
