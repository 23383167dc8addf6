import json
import os

import pytest

from keras_reid.gallery.receipts import (
    check_receipt,
    key_files,
    public_key,
    read_receipt,
    signed,
    signing_key,
)
from keras_reid.utils.errors import UserError

FACTS = {"store": "5d0c", "subjects": [{"subject": "ab", "sightings": 3}]}


@pytest.fixture
def files(tmp_path):
    return key_files(tmp_path / "store")


def test_a_receipt_is_verified_by_the_public_key_alone(files, tmp_path):
    receipt = signed(FACTS, signing_key(*files))
    (tmp_path / "receipt.json").write_text(json.dumps(receipt, indent=2))
    assert read_receipt(tmp_path / "receipt.json", public_key(files[1]))["subjects"] == FACTS["subjects"]
    assert signing_key(*files).public_key() == public_key(files[1])


def test_the_key_lies_beside_the_store_and_only_its_owner_can_read_it(files, tmp_path):
    signing_key(*files)
    assert files[0].parent == tmp_path
    assert os.stat(files[0]).st_mode & 0o777 == 0o600
    files[0].chmod(0o644)
    with pytest.raises(UserError, match=r"others can read this key.*chmod 600"):
        signing_key(*files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"store": "other"}, "not genuine"),
        ({"subjects": []}, "not genuine"),
        ({"signature": "AAAA"}, "not genuine"),
        ({"signature": 7}, "damaged"),
        ({"public_key": "AAAA"}, "signed by another key"),
        ({"kind": "letter"}, "must be a receipt"),
        ({"version": 2}, "must have version 1. Received: 2"),
    ],
)
def test_a_changed_receipt_is_refused(files, change, message):
    key = signing_key(*files)
    with pytest.raises(UserError, match=message):
        check_receipt({**signed(FACTS, key), **change}, key.public_key())


def test_a_receipt_of_another_store_is_refused(files, tmp_path):
    other = signing_key(*key_files(tmp_path / "other"))
    with pytest.raises(UserError, match="signed by another key"):
        check_receipt(signed(FACTS, other), signing_key(*files).public_key())


def test_damaged_keys_are_refused(files):
    with pytest.raises(UserError, match="no public key"):
        public_key(files[1])
    files[0].write_text("nothing")
    files[0].chmod(0o600)
    with pytest.raises(UserError, match="must be an Ed25519 key in PEM"):
        signing_key(*files)
    files[1].write_text("nothing")
    with pytest.raises(UserError, match="must be an Ed25519 public key"):
        public_key(files[1])
