"""Fixed texts of an own report."""

from app.errors import Sentence

NOTHING_HELD = Sentence(
    "The registry holds no list entry, penalty or licence under this number."
    " This is no statement of good credit.",
    "本系统未登记该号码项下的名单、行政处罚或行政许可信息。此结果不代表信用良好。",
)

# The same for a wrong name as for a number that nobody recorded: the answer discloses neither.
NO_RECORD = Sentence(
    "There is no record under this number and this name. This is no statement of good credit, and"
    " such a report lists neither queries nor earlier reports. The credit office of the city"
    " issues the whole report free of charge: apply there with your identity document, or your"
    " authorisation, and have the number and the name compared.",
    "该号码与该姓名（名称）项下无记录。此结果不代表信用良好，也不列明被查询情况和此前出具的报告。"
    "如需查询全部信息或者核对号码与姓名（名称），请持身份证件或者授权材料"
    "向公共信用信息机构（市信用办）申请，免费出具完整报告。",
)

# The same in every partial report: whether anything is left out must not show.
PARTIAL = Sentence(
    "This report is partial: a department issued it. It shows that department's own entries, and"
    " of entries of other departments those in force, with what a check shows. It leaves out ended"
    " entries of other departments, entries of theirs on other subjects, and the answers to other"
    " departments' queries. This note stands in every report of a department, whether or not"
    " anything is left out. The whole report is issued by the credit office of the city, free of"
    " charge.",
    "本报告由部门出具，为部分内容报告：列明出具部门自身的信息；对其他部门的信息，仅列明有效期内信用核查可见的内容，"
    "不含其他部门已终止的信息、其他部门在其他主体名下记载的信息以及其他部门查询的结果。"
    "无论是否存在未列明的信息，部门出具的每份报告均载明本说明。"
    "完整报告由公共信用信息机构（市信用办）免费出具。",
)

# The same in every report: whether a question is withheld must not show.
QUERIES_NOTE = Sentence(
    "Queries made in an open investigation are listed once their lawful delay has passed."
    " This note stands in every report, whether or not there are any.",
    "因正在依法办理的调查而进行的查询，在依法延期告知期限届满后列入报告。"
    "无论是否存在此类查询，每份报告均载明本说明。",
)

OBJECTION = Sentence(
    "Whoever finds an error in this report may object with the department that decided, or with"
    " the credit office. It is dealt with within 3 working days of receipt, or 7 where another"
    " unit must help; the result is notified. Until then the entry is marked as disputed."
    " (Social Credit Regulations of Shandong, Art. 39)",
    "对本报告所载信息有异议的，可以向作出认定的单位或者公共信用信息机构提出异议申请。"
    "属于受理单位自身处理范围的，自收到异议申请之日起三个工作日内处理；"
    "需要其他单位协助核查的，七个工作日内处理；处理结果告知申请人。处理期间对该信息作出异议标注。"
    "（《山东省社会信用条例》第三十九条）",
)
REPAIR = Sentence(
    "Whoever has put dishonest conduct right may apply for repair; the department that decided on"
    " the entry decides on its repair. Repair is free of charge."
    " (Measures for Credit Repair, NDRC Order No. 36; Social Credit Regulations of Shandong,"
    " Art. 41)",
    "已经纠正失信行为的，可以依法申请信用修复，按照“谁认定、谁修复”的原则由作出认定的单位办理，"
    "办理信用修复不收取费用。"
    "（《信用修复管理办法》（国家发展改革委令第36号）；《山东省社会信用条例》第四十一条）",
)
FREE_OF_CHARGE = Sentence(
    "This report is free of charge. (Social Credit Regulations of Shandong, Art. 21, 37)",
    "查询本人（本单位）信用信息、出具本报告不收取任何费用。"
    "（《山东省社会信用条例》第二十一条、第三十七条）",
)
# Of a report that does not list the whole.
NO_STATEMENT_OF_CREDIT_IN_PART = Sentence(
    "This report does not list all that the registry holds. It rates nobody, and is no statement of"
    " good credit.",
    "本报告未列明本系统登记的全部信息，不是信用评价，不作为信用良好的证明。",
)
NO_STATEMENT_OF_CREDIT = Sentence(
    "This report lists what the registry holds on the day of issue. It rates nobody, and is no"
    " statement of good credit.",
    "本报告如实列明出具当日本系统登记的信息，不是信用评价，不作为信用良好的证明。",
)
