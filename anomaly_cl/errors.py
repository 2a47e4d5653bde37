"""The exceptions a user may meet; every message says the rule that was broken, the value found, and the remedy."""


class AnomalyCLError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with.

    The message reads "rule; value; remedy". The three parts stay readable as attributes.
    """

    exit_code = 1

    def __init__(self, rule: str, value: str, remedy: str):
        super().__init__(rule, value, remedy)
        self.rule, self.value, self.remedy = rule, value, remedy

    def __str__(self) -> str:
        return f"{self.rule}; {self.value}; {self.remedy}"


class UsageError(AnomalyCLError, ValueError):
    """A setting, option or argument that cannot be meant."""

    exit_code = 2


class InputError(AnomalyCLError, ValueError):
    """A file, table, schema or row that cannot be read as it is."""

    exit_code = 3


class StaleError(AnomalyCLError):
    """A write that rests on what somebody else has changed since it was read."""


class ModelError(AnomalyCLError):
    """A model folder that is incomplete, altered, or of another format; or a model that learned nothing."""

    exit_code = 4


class PolicyWarning(UserWarning):
    """What a policy cannot do with the calibration that there is; said before scoring."""
