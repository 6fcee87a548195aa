"""What can keep a file from becoming an export. No message carries a value of a record."""

from migrations.importer.errors import ImportStopped

__all__ = ["Undecided", "Unreadable"]


class Unreadable(ImportStopped):
    """The file is not one that can be converted."""

    def __init__(self, name: str, fact: str, action: str) -> None:
        super().__init__(f"{name}: {fact}. Nothing was written.\n{action}")


class Undecided(ImportStopped):
    """The file does not say something that only its owner knows.

    option: the name that answers it on the command line, without dashes. question: for a person.
    example: an answer. prefix: goes before an answer from a terminal, such as "phone=".
    """

    def __init__(self, option: str, question: str, example: str, prefix: str = "") -> None:
        self.option = option
        self.question = question
        self.example = example
        self.prefix = prefix
        given = f"{prefix}{example}"
        quoted = f'"{given}"' if " " in given else given
        super().__init__(
            f"{question} Nothing was written.\nAnswer with an option, such as --{option} {quoted}."
        )
