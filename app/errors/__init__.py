"""The one hierarchy of refusals; each class is one stable code that a client can rely on.

    RegistryError
    ├── Malformed               400  MalformedJson, PersonalNumberInUrl, BadCursor, BadVersionTag
    ├── Unauthenticated         401
    ├── Forbidden               403  NotYourList, NotYourDepartment, PersonKeyRequired
    ├── NotFound                404  EntryNotFound, SubjectNotFound, CheckNotFound, CaseNotFound,
    │                                ReportNotFound, SubmissionNotFound, NoSuchAddress
    ├── MethodNotAllowed        405
    ├── Refused                 409  a rule of law or of the registry stands against it
    ├── RequestTimeout          408
    ├── FeedGone                410
    ├── StaleVersion            412
    ├── BodyTooLarge            413
    ├── UnsupportedMediaType    415
    ├── InvalidPayload          422  carries one fault per place in the body
    ├── VersionRequired         428
    ├── TooManyAttempts         429  SweepSuspected
    ├── HeadTooLarge            431
    ├── InternalError           500
    └── Unavailable             503  NotReady, SecretKeyMismatch, ClockUntrusted, Busy,
                                     TooManyConnections

A sentence names what would make the request acceptable. It never repeats what was sent: an answer
must not carry a personal number into a log.
"""

# A new error stands in one of these modules and nowhere else.
from app.errors.base import *  # noqa: F403
from app.errors.codes import *  # noqa: F403
from app.errors.refused import *  # noqa: F403
from app.errors.requests import *  # noqa: F403
from app.errors.unavailable import *  # noqa: F403
