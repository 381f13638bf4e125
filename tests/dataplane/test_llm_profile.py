"""Numbers of a model from a measured profile."""

from pathlib import Path

import numpy as np
import pytest

from tightrope.dataplane.llm_profile import Profile, ProfileError, fitted, line, read_profile

HEADER = "model,prompt_size,batch_size,token_size,prompt_time,token_time\n"
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "profiles"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "profile.csv"
    path.write_text(text)
    return path


def measured(inputs: list[float], sequences: list[float], *, longer: float = 1.0) -> Profile:
    """Steps of 8 ms and 0.25 ms a sequence, prefills of 10 ms and 0.06 ms a token, 101 tokens of output."""
    sent, many = np.array(inputs), np.array(sequences)
    return Profile(
        input_tokens=sent,
        sequences=many,
        output_tokens=np.full(len(sent), 101.0),
        prefill_seconds=0.010 + 0.00006 * sent,
        decode_seconds=100 * (0.008 + 0.00025 * many) * np.where(sent > 4000, longer, 1.0),
    )


def test_a_server_that_works_as_the_model_says_is_found_again() -> None:
    found = fitted(measured([100, 1000, 2000, 500, 500], [1, 1, 1, 8, 32]))
    assert found.step_base_seconds == pytest.approx(0.008)
    assert found.step_per_sequence_seconds == pytest.approx(0.00025)
    assert found.prefill_base_seconds == pytest.approx(0.010)
    assert found.prefill_per_token_seconds == pytest.approx(0.00006)
    assert max(found.step_error, found.prefill_error) < 1e-9


def test_long_contexts_can_be_left_out_and_show_in_the_error_otherwise() -> None:
    profile = measured([100, 1000, 500, 8000], [1, 1, 8, 1], longer=1.5)
    assert fitted(profile).step_error > 0.1
    assert fitted(profile, within_tokens=4000).step_error < 1e-9


def test_no_number_is_below_zero_and_then_the_other_fits_as_well_as_it_can() -> None:
    at = np.array([1.0, 2.0, 4.0])
    base, slope, error = line("batch_size", at, np.array([4.0, 2.0, 1.0]))
    assert (slope, base) == (0.0, pytest.approx((1 / 4 + 1 / 2 + 1) / (1 / 16 + 1 / 4 + 1)))
    assert error == pytest.approx(abs(base / 1.0 - 1), rel=1e-9) or error == pytest.approx(abs(base / 4.0 - 1))
    base, slope, _ = line("batch_size", at, np.array([0.5, 2.0, 5.0]))
    assert base == 0.0
    assert slope == pytest.approx((2 + 1 + 0.8) / (4 + 1 + 0.64))


def test_a_profile_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    profile = read_profile(written(tmp_path, HEADER + "llama,512,4,128,0.05,1.19\n"))
    assert (profile.sequences.tolist(), profile.decode_seconds.tolist()) == ([4.0], [1.19])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column prompt_size"),
        (HEADER, "there is no run in it"),
        ("prompt_size,batch_size,token_size,prompt_time\n1,1,1,1\n", "no column token_time"),
        (HEADER + "llama,512,4,128,0.05,1\nllama,512,4,128,x,1\n", "line 3: prompt_time is 'x'"),
        (HEADER + "llama,512,4\n", "line 2: token_size is None"),
        (HEADER + "llama,512,4,128,0.05,-1\n", "line 2: token_time is '-1'"),
    ],
)
def test_a_bad_profile_is_named_with_what_to_write(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ProfileError, match=words) as raised:
        read_profile(path)
    assert str(raised.value).startswith(str(path))
    assert ": write" in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="No such file"):
        read_profile(tmp_path / "none.csv")


def test_runs_of_one_batch_size_alone_cannot_be_fitted() -> None:
    with pytest.raises(ProfileError, match="batch_size has fewer than two values"):
        fitted(measured([100, 200], [1, 1]))


@pytest.mark.parametrize(
    ("name", "base", "each", "error"),
    [("Llama-3.1-8B-tp-2", 0.00834, 0.000246, 0.02), ("Llama-3.2-3B-tp-2", 0.00539, 0.000187, 0.11)],
)
def test_steps_of_real_servers_grow_with_the_batch_as_the_model_says(
    name: str, base: float, each: float, error: float
) -> None:
    path = PUBLISHED / f"sageserve_{name}.csv"
    if not path.exists():
        pytest.skip("the published profiles are not at hand")
    found = fitted(read_profile(path), within_tokens=1024)
    assert found.step_base_seconds == pytest.approx(base, rel=0.03)
    assert found.step_per_sequence_seconds == pytest.approx(each, rel=0.1)
    assert found.step_error < error
