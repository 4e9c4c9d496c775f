"""Makes the workbooks of this folder with openpyxl and XlsxWriter (Debian python3-openpyxl, python3-xlsxwriter): files that others wrote, for the
console's reader. SPDX-License-Identifier: Apache-2.0
"""
import os

import openpyxl
import xlsxwriter

HERE = os.path.dirname(os.path.abspath(__file__))

book = openpyxl.Workbook()
book.active.title = "说明"
book.active["A1"] = "本表供现场填写 <请勿改列名> & \"备注\""
sheet = book.create_sheet("设备台账")
for row in (
    ["设备编号", "设备名称", "物模型", "所属资产", "标签", "产线", "采集周期"],
    ["XLSX-1", "一号泵", None, None, "line:2;shift:a", "A 线", 1000],
    [None, "没有编号的泵", None, None, None, "A 线", None],
    ["XLSX-2", "二号泵", "没有这种模型", None, None, "B 线", None],
    ["XLSX-3", "三号 <泵> & \"阀\"", None, None, None, "B 线", 2500],
    [],
    [1004, "编号是数字", None, None, None, None, None],
    ["XLSX-1", "重复的编号", None, None, None, None, None],
):
    sheet.append(row)
book.save(os.path.join(HERE, "openpyxl.xlsx"))

book = xlsxwriter.Workbook(os.path.join(HERE, "xlsxwriter.xlsx"), {"constant_memory": True})  # texts stand in the cells
sheet = book.add_worksheet("Devices")
for r, row in enumerate((["id", "name", "label.line"], ["in-1", "inline text", "1"], ["in-2", "=SUM(1,2)", "2"])):
    for c, value in enumerate(row):
        sheet.write_string(r, c, value)
sheet.write_formula(3, 0, '="in-"&3', None, "in-3")
sheet.write_number(3, 2, 3.5)
book.close()
