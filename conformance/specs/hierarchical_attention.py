"""Hierarchical attention: words are pooled to sentences, and these to a document."""

from collections.abc import Iterator

from hypothesis import strategies as st

from conformance.case import Arguments
from conformance.spec import Refusal, Spec
from conformance.specs._attention import gentle
from conformance.specs._mistakes_hierarchical import HIERARCHICAL_ATTENTION
from conformance.specs._refusals import completed, mis_sized, shape_of
from conformance.specs._relations_hierarchical import EXEMPT, of_hierarchical_attention
from conformance.strategies import BUDGET, batches, call, optional, sides


@st.composite
def arguments(draw: st.DrawFn, budget: int = BUDGET) -> Arguments:
    batch = draw(batches(1, 3))
    sentences, words, width, hidden = draw(sides(4, budget // 4, most=5))
    upper = draw(st.integers(1, 4))
    shapes = {
        "input": (*batch, sentences, words, width),
        "word_weight": (hidden, width),
        "word_bias": draw(optional((hidden,))),
        "word_context": (hidden,),
        "sentence_weight": (upper, width),
        "sentence_bias": draw(optional((upper,))),
        "sentence_context": (upper,),
    }
    return call(draw(gentle(shapes, "word_weight", "word_context", "sentence_weight", "sentence_context")))


def refusals(call: Arguments) -> Iterator[Refusal]:
    hidden, upper = (shape_of(call, name)[:1] for name in ("word_weight", "sentence_weight"))
    call = completed(call, word_bias=hidden, sentence_bias=upper)
    for name, axis in (("word_weight", 1), ("word_context", 0), ("sentence_weight", 1), ("sentence_context", 0)):
        yield from mis_sized(call, name, axis)
    for name in ("word_bias", "sentence_bias"):
        yield from mis_sized(call, name, broadcast=True)


SPEC = Spec(
    "Attention Mechanism, which names it; Yang et al. 2016",
    arguments(),
    refusals=refusals,
    relations=of_hierarchical_attention(arguments),
    exempt=EXEMPT,
    mistakes=HIERARCHICAL_ATTENTION,
)
