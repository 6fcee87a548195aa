"""What can keep a file from becoming an export. No message carries a value of a record."""

from collections.abc import Sequence

from migrations.importer.errors import ImportStopped

__all__ = ["Undecided", "Unreadable", "undecided_in_words"]


class Unreadable(ImportStopped):
    """The file is not one that can be converted."""

    def __init__(self, name: str, fact: str, action: str) -> None:
        super().__init__(f"{name}: {fact}. Nothing was written.\n{action}")


class Undecided(ImportStopped):
    """The file does not say something that only its owner knows.

    option: the name that answers it on the command line, without dashes. question: for a person.
    example: an answer. prefix: goes before an answer from a terminal, such as "phone=". guess: an
    answer with which the file can be read on, to find what else it does not say.
    """

    def __init__(
        self, option: str, question: str, example: str, prefix: str = "", guess: str = ""
    ) -> None:
        self.option = option
        self.question = question
        self.example = example
        self.prefix = prefix
        self.guess = guess or example
        super().__init__(undecided_in_words([self]))

    @property
    def as_option(self) -> str:
        """The example as it stands on a command line."""
        given = f"{self.prefix}{self.example}"
        return f'--{self.option} "{given}"' if " " in given else f"--{self.option} {given}"


def undecided_in_words(questions: Sequence[Undecided]) -> str:
    """Say what only the file's owner knows, and how to answer all of it at once."""
    options = " ".join(question.as_option for question in questions)
    if len(questions) == 1:
        asked = f"{questions[0].question} Nothing was written."
        return f"{asked}\nAnswer with an option, such as {options}."
    asked = "\n".join(f"  {question.question}" for question in questions)
    return (
        f"The file does not say {len(questions)} things. Nothing was written.\n{asked}\n"
        f"Answer with options, such as {options}."
    )
