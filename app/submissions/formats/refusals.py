"""Refusals of a whole file: the code and the sentences."""

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence

FileRefusal = tuple[ProblemCode, str, str]
"""A problem code, and the sentence in English and in Chinese."""


class UnreadableFile(InvalidPayload):
    """The file cannot be read, or cannot be read beyond some row."""

    def __init__(self, code: ProblemCode, en: str, zh: str) -> None:
        super().__init__(faults=[Fault("", code, Sentence(en, zh))])


# Tuples, not exceptions: a stored exception keeps alive every frame of its last traceback.
EMPTY: FileRefusal = (ProblemCode.empty_file, "The file holds no row", "文件中没有数据行")
ROW_TOO_LONG: FileRefusal = (
    ProblemCode.row_too_long,
    "A row is longer than a megabyte; is it one line a row?",
    "有一行超过 1 MB，请确认每行一条记录",
)
OBJECT_OVER_MANY_LINES: FileRefusal = (
    ProblemCode.malformed_json,
    "An object is written over many lines: send one object a line, or an array [{…}, {…}]",
    "一个 JSON 对象被写成了多行：请每行写一个完整的对象，或以数组 [{…}, {…}] 形式提交",
)
UNKNOWN_ENCODING: FileRefusal = (
    ProblemCode.unknown_encoding,
    "The text is neither UTF-8 nor GB 18030; save it as CSV UTF-8",
    "文本编码既不是 UTF-8 也不是 GB 18030，请另存为“CSV UTF-8”格式",
)
DAMAGED_TEXT: FileRefusal = (
    ProblemCode.unknown_encoding,
    "The text is cut off, damaged or mixes encodings; save it again as CSV UTF-8",
    "文本不完整、已损坏或混用了多种编码，请重新另存为“CSV UTF-8”格式",
)
TOO_DEEP: FileRefusal = (
    ProblemCode.too_deep,
    "The JSON is nested too deeply to be a row",
    "JSON 嵌套层级过深，无法作为数据行读取",
)
HEADER_NOT_FOUND: FileRefusal = (
    ProblemCode.no_header_row,
    "No row of headings was found among the first ten; use the template's",
    "前 10 行中未找到表头（如：主体名称、决定日期），请使用模板中的表头",
)
