"""Every code block behaves as recorded, shown by the shortest programs of our own that do the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from conformance import golden

SNIPPETS: dict[str, Mapping[str, Any]] = {
    entry["id"]: entry
    for entry in sorted(
        (entry for layer in golden.names() for entry in golden.fixture(layer).get("snippet", ())),
        key=lambda entry: entry["lines"],
    )
}

BOTH = "import torch\nfrom torch import nn\n"
ONLY_NN = "from torch import nn\n"
FUNCTIONAL = "import torch\nfrom torch.nn import functional as F\n"
ATTENTION = """
class Dots(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
    def forward(self, q, k, v, seen=None):
        s = q @ k.mT / self.width**0.5
        if seen is not None:
            s.masked_fill_(seen == 0, -torch.inf)
        return F.softmax(s, -1) @ v
"""

# A program names its results, as a list, `outputs`.
PROGRAMS = {
    "linear-code": BOTH + "outputs = [nn.Linear(64, 32)(torch.rand(10, 64))]",
    "conv2d-code": BOTH + "outputs = [nn.Conv2d(3, 64, 3)(torch.rand(10, 3, 32, 32))]",
    "lstm-code": BOTH
    + """
zero = torch.zeros(1, 1, 128)
y, states = nn.LSTM(64, 128)(torch.rand(10, 1, 64), (zero, zero))
outputs = [y, *states]
""",
    "gru-code": BOTH + "outputs = [*nn.GRU(64, 128)(torch.rand(10, 1, 64), torch.zeros(1, 1, 128))]",
    "gru-model-code": BOTH
    + """
class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = nn.GRU(1, 32, batch_first=True)
        self.last = nn.Linear(32, 1)
    def forward(self, x):
        start = torch.zeros(self.num_layers, len(x), self.hidden_size)
        return self.last(self.steps(x, start)[0][:, -1])
model = Recurrent()
outputs = [model(x) for x in train_loader]
""",
    "dropout-code": ONLY_NN + "outputs = [nn.Dropout(0.5)(torch.rand(10, 64))]",
    "max-pool2d-code": BOTH + "outputs = [nn.MaxPool2d(2, 2)(torch.rand(10, 3, 8, 8))]",
    "upsample-nearest-code": FUNCTIONAL
    + "outputs = [F.interpolate(torch.rand(10, 3, 8, 8), scale_factor=2, mode='nearest')]",
    "upsample-bilinear-code": FUNCTIONAL
    + "outputs = [F.interpolate(torch.rand(10, 3, 8, 8), scale_factor=2, mode='bilinear', align_corners=False)]",
    "conv-transpose2d-code": BOTH + "outputs = [nn.ConvTranspose2d(64, 32, 4, 2, 1)(torch.rand(10, 64, 16, 16))]",
    "batch-norm-snippet": ONLY_NN + "outputs = [nn.BatchNorm2d(64)(torch.rand(10, 64, 32, 32))]",
    "layer-norm-snippet": ONLY_NN + "outputs = [nn.LayerNorm(64)(torch.rand(10, 64))]",
    "instance-norm-snippet": ONLY_NN + "outputs = [nn.InstanceNorm2d(64)(torch.rand(10, 64, 32, 32))]",
    "group-norm-snippet": ONLY_NN + "outputs = [nn.GroupNorm(4, 64)(torch.rand(10, 64, 32, 32))]",
    "custom-linear-class": """
class Affine(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.Tensor(3, 2)), nn.Parameter(torch.Tensor(2))
    def forward(self, x):
        return x @ self.w + self.b
""",
    "custom-linear-initialised-class": """
class Initialised(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.Tensor(3, 2)), nn.Parameter(torch.Tensor(2))
        nn.init.xavier_uniform_(self.w)
        nn.init.zeros_(self.b)
""",
    "scaled-dot-product-attention-class": FUNCTIONAL + ATTENTION,
    "scaled-dot-product-attention-single-head-class": FUNCTIONAL + ATTENTION.replace("Dots", "SingleHead"),
    "multi-head-attention-class": BOTH
    + """
class Heads(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
    def forward(self, q, k, v):
        q, k, v = self.cut(self.q(q)), self.cut(self.k(k)), self.cut(self.v(v))
        y = torch.softmax(q @ k.mT / q.size(-1)**0.5, -1) @ v
        return self.o(y.transpose(1, 2).flatten(2))
    def cut(self, x):
        batch, length, _ = x.shape
        return x.view(batch, length, self.heads, -1).transpose(1, 2)
""",
}


def outcome(identity: str, names: dict[str, Any]) -> str:
    try:
        exec(PROGRAMS[identity], names)
    except (NameError, AttributeError) as error:
        return f"{type(error).__name__}: {error.name}"
    return "runs"


def shapes(names: Mapping[str, Any]) -> list[list[int]] | None:
    return [list(output.shape) for output in names["outputs"]] if "outputs" in names else None


@pytest.mark.parametrize("identity", SNIPPETS)
def test_a_snippet_alone_behaves_as_recorded(identity: str) -> None:
    names: dict[str, Any] = {}
    assert outcome(identity, names) == SNIPPETS[identity]["isolated"]
    if SNIPPETS[identity]["isolated"] == "runs":
        assert shapes(names) == SNIPPETS[identity].get("outputs")


def test_the_snippets_in_the_order_of_the_document_behave_as_recorded() -> None:
    names: dict[str, Any] = {}
    for identity, snippet in SNIPPETS.items():
        names.pop("outputs", None)
        assert (identity, outcome(identity, names)) == (identity, snippet["notebook"])
        assert (identity, shapes(names)) == (identity, snippet.get("outputs"))


def test_exactly_the_snippets_of_the_fixtures_have_a_program() -> None:
    assert PROGRAMS.keys() == SNIPPETS.keys()


def defined(identity: str, **given: Any) -> dict[str, Any]:
    """The names that a program defines where those it forgot to import are there."""
    names = {"torch": torch, "nn": nn, **given}
    exec(PROGRAMS[identity], names)
    return names


def test_the_recurrent_model_reads_attributes_that_it_never_sets() -> None:
    batch = torch.rand(4, 5, 1)
    assert outcome("gru-model-code", {"train_loader": [batch]}) == "AttributeError: num_layers"
    model = defined("gru-model-code", train_loader=[])["model"]
    model.num_layers = 1
    with pytest.raises(AttributeError, match="hidden_size"):
        model(batch)


def test_the_recurrent_model_with_both_attributes_runs_in_float32_only() -> None:
    model = defined("gru-model-code", train_loader=[])["model"]
    model.num_layers, model.hidden_size = 1, 32
    assert model(torch.rand(4, 5, 1)).shape == (4, 1)
    assert sum(parameter.numel() for parameter in model.parameters()) == 3360 + 33
    with pytest.raises(RuntimeError, match="dtype"):
        model.double()(torch.rand(4, 5, 1).double())


def test_labels_without_the_last_axis_are_broadcast_into_a_square_of_losses() -> None:
    outputs, labels = torch.zeros(4, 1), torch.arange(4.0)
    with pytest.warns(UserWarning, match="broadcasting"):
        losses = nn.functional.mse_loss(outputs, labels, reduction="none")
    assert losses.shape == (4, 4)


def test_a_module_without_forward_can_be_made_but_not_called() -> None:
    made = defined("custom-linear-initialised-class")["Initialised"]()
    with pytest.raises(NotImplementedError, match="forward"):
        made(torch.rand(4, 3))


def test_the_custom_layer_works_but_draws_no_initial_values() -> None:
    state = torch.get_rng_state()
    made = defined("custom-linear-class")["Affine"]()
    assert torch.equal(torch.get_rng_state(), state)
    assert made(torch.rand(4, 3)).shape == (4, 2)


IDENTITIES = {
    "scaled-dot-product-attention-class": "Dots",
    "scaled-dot-product-attention-single-head-class": "SingleHead",
}


@pytest.fixture(params=IDENTITIES)
def dots(request: pytest.FixtureRequest) -> Any:
    return defined(request.param)[IDENTITIES[request.param]]


def test_the_attention_module_scales_by_its_argument_and_not_by_the_width_of_the_keys(dots: Any) -> None:
    q, k, v = torch.rand(2, 3, 4), torch.rand(2, 5, 4), torch.rand(2, 5, 6)
    right = nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(dots(4)(q, k, v), right)
    assert not torch.allclose(dots(64)(q, k, v), right)


def test_the_attention_module_refuses_a_mask_with_more_dimensions_than_the_scores(dots: Any) -> None:
    x, mask = torch.rand(3, 4), torch.ones(2, 3, 3)
    with pytest.raises(RuntimeError):
        dots(4)(x, x, x, mask)


def test_the_attention_module_gives_nan_where_no_key_is_visible_and_torch_gives_0(dots: Any) -> None:
    x, mask = torch.rand(3, 4), torch.zeros(3, 3)
    assert dots(4)(x, x, x, mask).isnan().all()
    assert torch.equal(nn.functional.scaled_dot_product_attention(x, x, x, mask.bool()), torch.zeros(3, 4))


@pytest.mark.parametrize("keys", [4, 5])
def test_the_multi_head_module_is_that_of_torch(keys: int) -> None:
    ours = defined("multi-head-attention-class")["Heads"](8, 2)
    torchs = nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.k.weight, ours.v.weight]))
        torchs.in_proj_bias.copy_(torch.cat([ours.q.bias, ours.k.bias, ours.v.bias]))
    torchs.out_proj.load_state_dict(ours.o.state_dict())
    query, context = torch.rand(2, 4, 8), torch.rand(2, keys, 8)
    assert torch.allclose(ours(query, context, context), torchs(query, context, context)[0], atol=1e-6)


def test_the_multi_head_module_refuses_input_without_a_batch() -> None:
    x = torch.rand(4, 8)
    with pytest.raises(ValueError, match="unpack"):
        defined("multi-head-attention-class")["Heads"](8, 2)(x, x, x)
