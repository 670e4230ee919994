"""The exceptions of Rollcall.

::

    RollcallError            a sentence for a person; commands print it and exit
    ├── SettingsError        a setting is wrong (exit 2)
    ├── StoreError           the database could not do it
    │   ├── StoreUnavailable it cannot be reached, or gave no answer in time: try again
    │   ├── DataRefused      it can never take what it was given
    │   └── SchemaNotHead    its schema is not this release's
    ├── ClusterError         the Kubernetes API could not be reached or said no
    └── TokenIssuerError     the issuer of tokens could not be reached, or its keys not be read
"""


class RollcallError(Exception):
    """The root: its text is a sentence for a person."""

    exit_code = 1


class SettingsError(RollcallError):
    """A setting is wrong; the sentence names it."""

    exit_code = 2


class StoreError(RollcallError):
    """The database could not do what was asked."""


class StoreUnavailable(StoreError):  # noqa: N818 - it names a state, and reads so in `except`
    """The database cannot be reached, or did not answer in time."""


class DataRefused(StoreError):  # noqa: N818 - same
    """The database can never take this data; other data in the same statement it may."""


class SchemaNotHead(StoreError):  # noqa: N818 - same
    """The schema is older or newer than this release's; the sentence says which command mends it."""


class ClusterError(RollcallError):
    """The Kubernetes API could not be reached or refused."""


class TokenIssuerError(RollcallError):
    """The issuer of tokens could not be reached, or what it answered could not be read."""
