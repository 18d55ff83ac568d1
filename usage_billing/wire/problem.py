"""How an error looks: RFC 9457. Pure."""

from usage_billing.wire.kinds import Json, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun

PROBLEM_FIELD = Noun(
    "ProblemField",
    "One wrong field.",
    (
        Field(
            "pointer",
            Json({"type": "string", "format": "json-pointer"}),
            "Where it is in the body.",
            optional=True,
        ),
        Field("parameter", Text(), "Its name in the query.", optional=True),
        Field("detail", Text(), "What is wrong with it, for people."),
        Field("code", Text(), "What is wrong with it, for programs."),
    ),
)

PROBLEM = Noun(
    "Problem",
    "Why a request was refused.",
    (
        Field("type", Json({"type": "string", "format": "uri-reference"}), "Where the code is explained."),
        Field("title", Text(), "The kind of problem, for people."),
        Field("status", Whole(minimum=400, maximum=599), "The status code of the answer."),
        Field("detail", Text(10_000), "What is wrong, for people; it may change."),
        Field("code", Text(), "What is wrong, for programs; it is stable."),
        Field("requestId", Text(), "The id that the log knows the request by."),
        Field("errors", Many(PROBLEM_FIELD), "Each wrong field, where it is fields that are wrong.", optional=True),
    ),
)
