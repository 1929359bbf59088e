"""The wrong programs of examples/: the doctor finds each mistake, on its line, and mends it."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

from byhand.doctor import check_file
from byhand.doctor.fixing import applied

EXAMPLES = Path(__file__).parents[2] / "examples"
GUILTY = {
    "attention_without_its_scale": ['dq = np.einsum("bts,bsd->btd", ds, k)'],
    "batch_norm_with_constant_statistics": ["dx = dx_hat * inv_std"],
    "cell_gradient_overwritten": ["dc = dh * o * (1 - tanh_c**2)"],
    "delta_of_the_weights": ["da1 = dz2 @ delta_W2.T  # through the second layer"],
    "dropout_mask_forgotten": ["d_a = d_d / KEEP"],
    "embedding_rows_overwritten": ["dE[self.tokens] += dmean[:, None, :] / length"],
    "gate_copied_and_pasted": ['"f": dc * c_prev * i * (1 - i),'],
    "kernel_not_flipped": ["d_image = correlate(padded, kernel)"],
    "layer_norm_over_the_batch": ["projected = (g * xhat).mean(dim=0, keepdim=True)"],
    "mean_taken_twice_and_bias_not_summed": [
        'grads["dW2"] = np.dot(dZ2, cache["A1"].T) / m',
        'grads["db1"] = dZ1',
    ],
    "new_state_for_the_old_one": ["self.dWh += h_new.T @ dv"],
    "recurrent_path_forgotten": ["dh = dhs[:, t]"],
    "softmax_as_its_diagonal": ["dz = dp * p * (1 - p)"],
    "state_of_the_wrong_step": ["dWhh += np.dot(dhraw, hs[t].T)"],
    "tanh_derivative_at_the_wrong_value": ["sp = tanh_prime(activations[-l])"],
    "weight_gradient_does_not_fit": ["self.grad_weight = grad_out @ self.x"],
    "weights_after_their_update": ["self.W2 -= self.lr * self.dW2"],
}


def test_every_example_is_checked_here() -> None:
    assert sorted(GUILTY) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", GUILTY)
def test_the_mistake_is_found_on_its_line_and_mended(name: str, tmp_path: Path) -> None:
    path = EXAMPLES / f"{name}.py"
    text = path.read_text("utf-8")
    lines = text.splitlines()
    report = check_file(path)
    assert report.verdict == ("shape" if name == "weight_gradient_does_not_fit" else "wrong")
    assert [lines[f.line - 1].strip() for f in report.findings] == GUILTY[name]

    corrected = tmp_path / path.name
    corrected.write_text(applied(text, [f.fix for f in report.findings if f.fix]), "utf-8")
    again = check_file(corrected)
    assert again.verdict == "right"
    named = {gradient.name for gradient in again.gradients}
    assert {gradient.name for gradient in report.gradients} <= named


@pytest.mark.parametrize("name", GUILTY)
def test_an_example_is_short_and_says_what_it_is(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert 25 <= len(text.splitlines()) <= 80
    assert ast.get_docstring(ast.parse(text))
    # Nothing but shapes and parts of a program, or it would give the mistake away.
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {token.string for token in tokens if token.type == tokenize.COMMENT}
    known = {
        *("# (out, in)", "# (out,)", "# (batch, in)"),
        *("# feedforward", "# backward pass", "# through the second layer"),
    }
    assert comments <= known
