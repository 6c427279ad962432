"""API keys: how they are listed, named and hashed."""

import secrets
from hashlib import sha256
from pathlib import Path

import pytest

from aylien_model_serving.core import api_keys
from aylien_model_serving.core.callers import Caller
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError

KEY = "correct-horse-battery-staple"
HASH = f"sha256:{sha256(KEY.encode()).hexdigest()}"


@pytest.mark.parametrize(
    ("entry", "caller"),
    [
        (KEY, Caller("key-1")),
        (HASH, Caller("key-1")),
        (HASH.upper(), Caller("key-1")),
        (f"alice:{KEY}", Caller("alice")),
        (f"alice:{HASH}", Caller("alice")),
        (f"admin:{KEY}", Caller("key-1", is_admin=True)),
        (f"admin:{HASH}", Caller("key-1", is_admin=True)),
        (f"admin:alice:{KEY}", Caller("alice", is_admin=True)),
        (f"admin:alice@example.org:{HASH}", Caller("alice@example.org", is_admin=True)),
    ],
)
def test_an_entry_names_its_owner_and_holds_the_key_or_its_hash(entry: str, caller: Caller) -> None:
    (key,) = api_keys.read(entry)

    assert key.caller == caller
    assert key.digest == sha256(KEY.encode()).digest()


def test_keys_without_a_name_are_named_by_their_place() -> None:
    assert [key.caller.name for key in api_keys.read("one, ,alice:two,three")] == ["key-1", "alice", "key-3"]


def test_an_owner_may_have_several_keys() -> None:
    assert {key.caller.name for key in api_keys.read("alice:old,alice:new")} == {"alice"}


def test_a_list_may_have_lines_and_comments() -> None:
    listed = api_keys.read(f"# the batch jobs' key\nalice:{HASH}\n\nbob:other, carol:third\n")

    assert [key.caller.name for key in listed] == ["alice", "bob", "carol"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no key is listed"),
        (",", "no key is listed"),
        (" ", "no key is listed"),
        ("# nothing\n,\n", "no key is listed"),
        ("a:secret:hunter2", "entry 1 has too many colons"),
        ("x,admin:a:secret:hunter2", "entry 2 has too many colons"),
        ("a:sha256:hunter2", "entry 1: 64 hexadecimal digits"),
        ("sha256:hunter2", "entry 1: 64 hexadecimal digits"),
        ("sha256:", "entry 1: 64 hexadecimal digits"),
        ("a:sha512:hunter2", "too many colons"),
        ("hunter2:", "entry 1: the key is empty"),
        (":hunter2", "entry 1: a name is made of"),
        ("a:hunter2 hunter3", "has spaces"),
        ("admin", "entry 1 has no key"),
        ("admin:", "the key is empty"),
        ("Admin:hunter2", "no name may be admin"),
        ("admin:admin:hunter2", "no name may be admin"),
        ("key-2:hunter2", "no name may be"),
        ("x y:hunter2", "a name is made of"),
        ("secret/hunter2:rest", "a name is made of"),
        (f"{'n' * 65}:hunter2", "a name is made of"),
        ("a:hunter2,b:hunter2", "entries 1 and 2 hold the same key"),
        (f"hunter2,b:sha256:{sha256(b'hunter2').hexdigest()}", "entries 1 and 2 hold the same key"),
    ],
)
def test_a_list_that_is_empty_or_ambiguous_is_refused_without_a_word_of_it(text: str, message: str) -> None:
    for load in (
        lambda: Settings.load({"MODEL_SERVING_API_KEYS": text}),
        lambda: Settings.load({"MODEL_SERVING_API_KEYS": text.replace(",", "\n")}),
    ):
        with pytest.raises(ConfigurationError, match=r"^MODEL_SERVING_API_KEYS: ") as raised:
            load()

        assert message in str(raised.value)
        assert "hunter2" not in str(raised.value)
        assert "secret" not in str(raised.value)


def test_nothing_that_is_kept_of_a_key_shows_it() -> None:
    (key,) = api_keys.read(f"alice:{KEY}")

    assert KEY not in repr(key)
    assert HASH.removeprefix("sha256:") not in repr(key)


class TestFiles:
    """Secrets in files."""

    def test_keys_are_read_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "keys").write_text(f"alice:{HASH}\nbob:other\n")

        found = Settings.load({"MODEL_SERVING_API_KEYS_FILE": str(tmp_path / "keys")})

        assert [key.caller.name for key in found.api_keys] == ["alice", "bob"]

    @pytest.mark.parametrize(
        ("variable", "setting"),
        [
            ("MODEL_SERVING_WEBHOOK_SECRET_FILE", "webhook_secret"),
            ("MODEL_SERVING_JOBS_URL_FILE", "jobs_url"),
        ],
    )
    def test_other_secrets_are_too_without_the_line_break_at_the_end(
        self, tmp_path: Path, variable: str, setting: str
    ) -> None:
        (tmp_path / "file").write_text(" what it is\r\n")

        assert getattr(Settings.load({variable: str(tmp_path / "file")}), setting) == " what it is"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "the file is empty"),
            (b"\n \n", "the file is empty"),
            (b"\xff", "not text in UTF-8"),
            (b"x" * (1024 * 1024 + 1), "larger than 1 MiB"),
            (b"# none", "no key is listed"),
            (b"a:b:hunter2", "entry 1 has too many colons"),
        ],
    )
    def test_a_file_that_cant_be_used_is_refused_without_its_content(
        self, tmp_path: Path, content: bytes, message: str
    ) -> None:
        (tmp_path / "keys").write_bytes(content)

        with pytest.raises(ConfigurationError, match=r"^MODEL_SERVING_API_KEYS_FILE") as raised:
            Settings.load({"MODEL_SERVING_API_KEYS_FILE": str(tmp_path / "keys")})

        assert message in str(raised.value)
        assert "hunter2" not in str(raised.value)

    def test_a_file_that_is_not_there_is_refused_with_its_path(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"_FILE='.*/none': No such file"):
            Settings.load({"MODEL_SERVING_API_KEYS_FILE": str(tmp_path / "none")})

    def test_a_variable_and_its_file_are_not_given_both(self, tmp_path: Path) -> None:
        (tmp_path / "keys").write_text("two")

        with pytest.raises(ConfigurationError, match="both set"):
            Settings.load(
                {"MODEL_SERVING_API_KEYS": "one", "MODEL_SERVING_API_KEYS_FILE": str(tmp_path / "keys")}
            )

    def test_what_runs_during_requests_reads_no_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("MODEL_SERVING_URL_FETCH", "1")

        found = Settings.load_public()

        assert (found.url_fetch, found.api_keys) == (True, ())


class TestHashes:
    """What `model-serving hash-key` prints."""

    def test_an_entry_is_read_back(self) -> None:
        made = secrets.token_urlsafe(32)

        (key,) = api_keys.read(api_keys.entry_of(made, "alice", is_admin=True))

        assert key == api_keys.ApiKey(Caller("alice", is_admin=True), api_keys.digest_of(made))

    @pytest.mark.parametrize("key", ["", "short", "a" * 40, "abababababababababababab", "x" * 19])
    def test_a_key_that_may_be_guessed_is_refused_with_the_reason(self, key: str) -> None:
        with pytest.raises(ValueError, match=r"visible|can be found from its hash by trying"):
            api_keys.hash_of(key)

    @pytest.mark.parametrize("key", ["schlüssel-schlüssel-schlüssel", "with spaces in the key", "a\nb" * 10])
    def test_a_key_that_no_header_carries_is_refused(self, key: str) -> None:
        with pytest.raises(ValueError, match="visible ASCII"):
            api_keys.hash_of(key)

    @pytest.mark.parametrize("name", ["admin", "key-1", "a:b", "sha256", "é"])
    def test_a_name_that_could_not_be_read_back_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="a name is made of"):
            api_keys.entry_of(KEY, name)
