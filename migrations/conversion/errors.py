"""Why a file cannot become an export. No message carries a record's values."""

from collections.abc import Sequence

from migrations.importer.errors import ImportStopped

__all__ = ["Undecided", "Unreadable", "undecided_in_words"]


class Unreadable(ImportStopped):
    """The file cannot be converted."""

    def __init__(self, name: str, fact: str, action: str) -> None:
        super().__init__(f"{name}: {fact}. Nothing was written.\n{action}")


class Undecided(ImportStopped):
    """Only the file's owner knows the answer.

    option: to answer on the command line, without dashes. question: for a person. example: an
    answer. prefix: goes before an answer from a terminal, such as "phone=". guess: an answer for
    reading on, to find what else the file does not say.
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
        """The example as an option, in quotes if it has spaces."""
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
