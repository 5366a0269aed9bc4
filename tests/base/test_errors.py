import pytest

from digitline.base.errors import UserError, first_line, printable, printable_lines

# What TensorFlow says of `must feed`, in the forms of its sessions and functions.
_WRONG = "You must feed a value for 'keep_prob'"
_TRACE = "Detected at node 'a' defined at (most recent call last):\n    File \"x.py\", line 8\n"


@pytest.mark.parametrize(
    "text",
    [
        _WRONG,
        f"{_WRONG}\n\t [[{{{{node keep_prob}}}}]]",
        f"{{{{function_node __inference_f_1}}}} {_WRONG} [Op:__inference_f_1]",
        f"{{{{function_node __wrapped__A}}}}{{{{node B}}}} {_WRONG} [[{{{{node B}}}}]] [Op:A]",
        f"Graph execution error:\n\n{_WRONG}\n\t [[{{{{node a}}}}]]",
        f"Graph execution error:\n\n{_TRACE}Node: 'a'\n{_WRONG}\n\t [[{{{{node a}}}}]]",
        f"Graph execution error:\n\n{_TRACE}{_TRACE}Node: 'a'\n{_TRACE}Node: 'a'\n{_WRONG}",
        f"Graph execution error:\n\n{_TRACE}      return call(x)\nNode: 'a'\n{_WRONG}",
        f"2 root error(s) found.\n  (0) INVALID_ARGUMENT: {_WRONG}\n\t [[{{{{node a}}}}]]\n  (1) x",
        f"Graph execution error:\n\n{_TRACE}Node: 'a'\n2 root error(s) found.\n"
        f"  (0) INVALID_ARGUMENT:  {_WRONG}\n\t [[{{{{node a}}}}]]",
    ],
)
def test_the_line_that_says_what_is_wrong(text):
    assert first_line(Exception(text)) == _WRONG


def test_control_characters_are_escaped():
    assert printable("a\x1b[2Jb\nc\td\x9b\u202eé") == "a\\x1b[2Jb\\nc\td\\x9b\\u202eé"
    assert printable_lines("a\rb\nc") == "a\\rb\nc"


def test_a_message_that_quotes_a_file_keeps_its_two_ends():
    message = str(UserError("train.csv: column `" + "a" * 10**6 + "` twice; rename one"))
    assert len(message) < 5000
    assert message.startswith("train.csv: column `aaa")
    assert message.endswith("aaa` twice; rename one")


def test_a_line_of_many_blanks_takes_no_time_by_their_square():
    assert first_line(ValueError("in 'a" + " " * 10**6 + "'")) == "in 'a"


def test_a_message_is_one_line_whatever_it_quotes():
    assert str(UserError("a.npz, x\ny\x1b[2J: damaged")) == "a.npz, x\\ny\\x1b[2J: damaged"
