"""What can go wrong, in sentences: what was asked, what is wrong, what to do.

Every error that a user can cause is one of these; the command line prints its text and ends with its exit
code. Anything else that escapes is a bug of ours, and shows its traceback.
"""


class ForgetlessError(Exception):
    """A failure with a sentence for the user and an exit code for the shell."""

    exit_code = 1


class SettingsError(ForgetlessError):
    """An unknown name, a value out of range, a combination that cannot work."""

    exit_code = 2


class DataError(ForgetlessError):
    """Data that are missing, damaged or not what they claim to be."""

    exit_code = 3


class DivergedError(ForgetlessError):
    """A loss that is not a finite number: training stopped before it spoiled the weights."""

    exit_code = 4


class StorageError(ForgetlessError):
    """A place that cannot be read or written, or a checkpoint that is damaged."""

    exit_code = 5


class InterruptedRun(ForgetlessError):  # noqa: N818 - not a failure: the run can be resumed
    """The run was asked to stop; a checkpoint lies on disk and `forgetless resume` goes on from it."""

    exit_code = 75
