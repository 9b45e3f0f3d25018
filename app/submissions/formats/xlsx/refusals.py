"""Refusals of workbooks."""

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence

EXAMPLE_SHEET = "示例"
"""Name of the template's sheet with example rows; it is never read."""

_SAVE_AS_XLSX = "另存为“Excel 工作簿（.xlsx）”后重新提交"
REFUSALS = {
    ProblemCode.unreadable_workbook: Sentence(
        "The file is damaged or incomplete; open it in a spreadsheet program, save it as .xlsx"
        " and send that",
        f"文件损坏或不完整，无法读取；请用 Excel 或 WPS 打开，{_SAVE_AS_XLSX}",
    ),
    ProblemCode.not_a_workbook: Sentence(
        "The file is no XLSX workbook; save the table as .xlsx and send that",
        f"该文件不是 Excel 工作簿（.xlsx）；请将表格{_SAVE_AS_XLSX}",
    ),
    ProblemCode.old_or_encrypted_workbook: Sentence(
        "The file is an old .xls or protected by a password; save it as .xlsx without a password"
        " and send that",
        f"文件为旧版 .xls 格式，或设有密码；请取消密码，{_SAVE_AS_XLSX}",
    ),
    ProblemCode.macros: Sentence(
        "The workbook holds macros; save it as .xlsx, without macros, and send that",
        f"工作簿含有宏；请{_SAVE_AS_XLSX}（该格式不含宏）",
    ),
    ProblemCode.zip_bomb: Sentence(
        "The workbook unpacks to far more than its size; copy the rows into the template and send"
        " that",
        "工作簿解压后的大小异常；请将数据复制到下载的模板中重新提交",
    ),
    ProblemCode.too_large_inside: Sentence(
        "The workbook takes too much memory or time to read; delete empty rows and columns beyond"
        " the table, split the table, or send it as CSV",
        "工作簿内容过大，无法读取；请删除表格以外的空行、空列，或拆分为多个文件，或改用 CSV 提交",
    ),
    ProblemCode.no_header_row: Sentence(
        "No sheet has a row of headings (主体名称, 决定日期, …) among its first ten rows; the sheet"
        f" {EXAMPLE_SHEET} is not read. Fill in the template, or put the headings above the rows",
        "没有找到表头行：请在数据上方（前 10 行内）填写列名，如“主体名称”“决定日期”等，"
        f"或下载模板填写；名为“{EXAMPLE_SHEET}”的工作表不读取",
    ),
    ProblemCode.several_sheets: Sentence(
        "Several sheets hold rows under headings; send one sheet per file",
        "有多个工作表填有数据；请每个文件只保留一个数据工作表，其余分别提交",
    ),
    ProblemCode.hidden_sheet: Sentence(
        "A hidden sheet holds rows under headings; show it or delete it, and send the file again",
        "有隐藏的工作表填有数据；请取消隐藏并核对，或删除该工作表后重新提交",
    ),
}
"""Sentences by problem code; each explains how to correct the workbook."""


def build_refusal(code: ProblemCode) -> InvalidPayload:
    """Build the refusal of a workbook."""
    return InvalidPayload(faults=[Fault("", code, REFUSALS[code])])
