"""All exceptions of Afterpilot, one tree.

::

    AfterpilotError
    ├── DeclarationError      the team of the workflow must mend its folder; a retry cannot help
    ├── ConfigurationError    the operator must mend the installation (a connection, a variable); a retry cannot help
    ├── SourceError           production data could not be read; a retry may help
    ├── TargetError           a model could not be asked or did not answer properly: an error of the harness, not of the model
    │   └── TargetRefused     the target said no for good (bad key, unknown model, prompt too long); a retry cannot help
    ├── CheckError            a check could not run: its verdict is UNKNOWN, never good
    ├── LedgerBroken          what is stored does not fit what was sealed or published: nothing is sealed until somebody has looked
    ├── AnswerRefused         a person's answer cannot be taken: not theirs to give, or not to this question
    └── DeliveryError         a message was not accepted
        ├── DeliveryRefused   definitive (unknown channel, archived channel): dead letter
        │   └── DeliveryGone  the message to be edited does not stand any more: post it anew
        ├── DeliveryDeferred  not before ``retry_after`` seconds; nothing was posted
        ├── DeliveryNeedless  an edit for a place that knows none; it is no message of its own: nothing was posted, nor need be
        ├── DeliveryUnreachable  no connection came about: nothing was posted
        └── DeliveryUnclear   it may or may not have been posted: reconcile before it is sent again

No message of any of them may carry a secret.
"""

from __future__ import annotations


class AfterpilotError(Exception):
    """Base of every error that Afterpilot raises on purpose."""


class DeclarationError(AfterpilotError):
    """A declaration cannot be used as it stands."""


class ConfigurationError(AfterpilotError):
    """The installation lacks something: a connection, a variable, a migration."""


class SourceError(AfterpilotError):
    """Production data could not be read."""


class TargetError(AfterpilotError):
    """A model or workflow under test could not be asked, or its reply could not be read."""


class TargetRefused(TargetError):
    """The target refused the request for good."""


class CheckError(AfterpilotError):
    """A check could not run."""


class LedgerBroken(AfterpilotError):
    """The ledger is not as it was sealed or published."""


class AnswerRefused(AfterpilotError):
    """A person's answer cannot be taken as it stands; the text says to them why."""


class DeliveryError(AfterpilotError):
    """A message was not accepted by its transport."""


class DeliveryRefused(DeliveryError):
    """The transport refused the message for good."""


class DeliveryGone(DeliveryRefused):
    """The message that was to be edited does not stand any more."""


class DeliveryDeferred(DeliveryError):
    """The transport asks to wait ``retry_after`` seconds: for one place, or for all of them (``everywhere``). Nothing was posted."""

    def __init__(self, message: str, *, retry_after: float, everywhere: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.everywhere = everywhere


class DeliveryNeedless(DeliveryError):
    """The place knows no edits, and the news is not worth a message of its own. Nothing was posted."""


class DeliveryUnreachable(DeliveryError):
    """No connection came about: nothing was posted."""


class DeliveryUnclear(DeliveryError):
    """The reply was lost: the message may or may not have been posted."""
