import numpy as np
import pytest
import torch

from triptych.replay.frame_store import FrameStore

NUM_ENVS, ROWS, FRAME = 2, 7, (2, 3)


def make_store(frame_stack=3, path=None, dtype="uint8", frame=(1, *FRAME)):
    shape = (frame_stack * frame[0], *frame[1:])
    return FrameStore(NUM_ENVS, ROWS, shape, dtype, frame_stack, path=path)


def append_random(store, history, num_frames, seed=0):
    """Append to one environment after the other, in random turns, and to plain lists."""
    rng = np.random.default_rng(seed)
    for _ in range(num_frames):
        env_index = np.flatnonzero(rng.random(NUM_ENVS) < 0.7)
        frames = rng.integers(256, size=(len(env_index), *store.frame_shape)).astype(
            store.gather(torch.tensor([0])).numpy().dtype
        )
        rows = store.append(env_index, frames)
        for env, row, frame in zip(env_index, rows, frames, strict=True):
            assert row == len(history[env]) % ROWS
            history[env].append(frame)


def all_stacks(store, history):
    """Pair every stack that the rings still hold whole with the one from the lists."""
    for env_index, frames in enumerate(history):
        oldest = max(len(frames) - ROWS, 0)
        for last in range(oldest + store.frame_stack - 1, len(frames)):
            expected = np.stack(frames[last - store.frame_stack + 1 : last + 1])
            yield env_index * ROWS + last % ROWS, expected.reshape(store.observation_shape)


def assert_equal_to_lists(store, history):
    index, expected = zip(*all_stacks(store, history), strict=True)
    gathered = store.gather(torch.tensor(index))
    np.testing.assert_array_equal(gathered.numpy(), np.stack(expected))


@pytest.mark.parametrize("num_frames", [6, 8, 40])
@pytest.mark.parametrize("frame_stack", [1, 3, 4])
@pytest.mark.parametrize("storage", ["memory", "disk"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("frame", [(1, *FRAME), (3, *FRAME), (5,)], ids=["grey", "colour", "vector"])
def test_gathered_stacks_are_the_last_frames_also_after_the_ring_wraps(
    tmp_path, storage, frame_stack, num_frames, dtype, frame
):
    store = make_store(frame_stack, tmp_path / "deep" / "ring.bin" if storage == "disk" else None, dtype, frame)
    assert store.frame_shape == frame
    history = [[], []]
    append_random(store, history, num_frames)
    assert store.cursor.tolist() == [len(frames) for frames in history]
    assert_equal_to_lists(store, history)


@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_stacks_of_four_grey_frames_come_in_the_layout_of_convolutions(tmp_path, storage):
    history = [[], []]
    store = make_store(4, tmp_path / "ring.bin" if storage == "disk" else None)
    append_random(store, history, 20)
    stacks = store.gather(torch.tensor([index for index, _ in all_stacks(store, history)]))
    assert stacks.is_contiguous(memory_format=torch.channels_last)
    assert_equal_to_lists(store, history)


def test_rings_on_disk_take_a_byte_for_each_number(tmp_path):
    store = make_store(path=tmp_path / "ring.bin")
    store.append(np.arange(NUM_ENVS), np.ones((NUM_ENVS, 1, *FRAME), np.uint8))
    assert (tmp_path / "ring.bin").stat().st_size == NUM_ENVS * ROWS * 6


@pytest.mark.parametrize("frame", [(1, *FRAME), (4, *FRAME)], ids=["grey", "colour"])
def test_a_stack_is_its_frames_and_the_newest_is_the_last_of_them(frame):
    frames = np.arange(2 * 3 * np.prod(frame), dtype=np.uint8).reshape(2, 3, *frame)
    observation = frames.reshape(2, 3 * frame[0], *FRAME)
    np.testing.assert_array_equal(make_store(3, frame=frame).frames_of(observation), frames)
    np.testing.assert_array_equal(make_store(3, frame=frame).newest_frame(observation), frames[:, 2])
    np.testing.assert_array_equal(make_store(1, frame=frame).newest_frame(frames[:, 0]), frames[:, 0])
    np.testing.assert_array_equal(make_store(1, frame=frame).frames_of(frames[:, 0]), frames[:, :1])


def test_appended_frames_are_copies():
    store, frames = make_store(1), np.ones((2, 1, *FRAME), np.uint8)
    store.append(np.arange(2), frames)
    frames[:] = 9
    assert store.gather(torch.tensor([0, ROWS])).eq(1).all()


@pytest.mark.parametrize("between", [1, 3, 7, 20])
def test_rows_saved_in_pieces_come_back(tmp_path, between):
    store, history = make_store(), [[], []]
    saved, chunks = np.zeros(NUM_ENVS, np.int64), []
    for piece in range(4):
        append_random(store, history, between, seed=piece)
        chunks.append(store.save_new_rows(tmp_path / f"{piece}.bin", saved))
        saved = store.cursor.copy()
    loaded = make_store()
    for chunk in chunks:
        loaded.load_rows(tmp_path / chunk["file"], chunk)
    loaded.cursor[:] = chunks[-1]["last"]
    assert loaded.cursor.tolist() == store.cursor.tolist()
    assert_equal_to_lists(loaded, history)


def test_a_save_writes_only_the_new_rows(tmp_path):
    store, history = make_store(), [[], []]
    append_random(store, history, 4)
    before = store.cursor.copy()
    append_random(store, history, 2, seed=1)
    store.save_new_rows(tmp_path / "rows.bin", before)
    assert (tmp_path / "rows.bin").stat().st_size == 6 * (store.cursor - before).sum()


@pytest.mark.parametrize("bytes_left", [0, 6, 11])
def test_a_file_cut_short_is_an_error(tmp_path, bytes_left):
    store = make_store()
    append_random(store, [[], []], 5)
    chunk = store.save_new_rows(tmp_path / "rows.bin", np.zeros(NUM_ENVS, np.int64))
    (tmp_path / "rows.bin").write_bytes((tmp_path / "rows.bin").read_bytes()[:bytes_left])
    with pytest.raises(OSError):
        make_store().load_rows(tmp_path / "rows.bin", chunk)
