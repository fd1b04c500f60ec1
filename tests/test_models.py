"""Networks: sizes, heads that grow, folding."""

from copy import deepcopy

import pytest
import tiny
import torch
from torch import nn
from torch.nn import functional as F

from forgetless.errors import ForgetlessError, SettingsError
from forgetless.models import BACKBONES, Head, build_model, folded
from forgetless.models.resnet import Widen
from forgetless.settings.catalog import MODELS

SHAPES = {
    "mlp": (1, 28, 28), "lenet": (1, 28, 28), "resnet32": (3, 32, 32), "resnet18": (3, 16, 16),
    "resnet34": (3, 16, 16), "resnet18-7x7": (3, 32, 32), "lenet-wsn": (3, 32, 32), "alexnet-small": (3, 32, 32),
    "alexnet-small-bn": (3, 32, 32),
}  # fmt: skip


def weights(module):
    return sum(weight.numel() for weight in module.parameters())


def built(name, classes=4, seed=0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_model(name, SHAPES[name], **options)
        model.grow(range(classes))
    return model


@pytest.mark.parametrize(
    ("name", "count", "source"),
    [
        ("mlp", 784 * 400 + 400 + 400 * 400 + 400 + 4010, "784-400-400-10"),
        ("lenet", 61706, "LeNet-5 as usually counted, 28x28 with padding"),
        ("resnet32", 464154, "He et al. table 6: 0.46 M"),
        ("resnet18", 11173962, "ResNet-18 with the 3x3 stem, 11.17 M"),
        ("resnet34", 21797672 - 990 * 513 - 3 * 64 * (49 - 9), "ResNet-34: 21,797,672 for ImageNet"),
        ("resnet18-7x7", 11689512 - 990 * 513, "ResNet-18 as it is: 11,689,512 for ImageNet"),
        ("lenet-wsn", 2986500 + 20 + 50 + 800 + 500 + 5010, "WSN's 2,986,500, biases and the head"),
        ("alexnet-small", 6499328 + 448 + 4096 + 20490, "WSN's 6,499,328, biases and the head"),
        ("alexnet-small-bn", 6499328 + 2 * (448 + 4096) + 20490, "the same, two for each normalised answer"),
    ],
)
def test_ten_class_models_have_the_published_number_of_weights(name, count, source):
    assert weights(built(name, 10)) == count, source


@pytest.mark.parametrize(
    ("name", "count", "layers"),
    [
        ("lenet-wsn", 2986500, {(20, 3, 5, 5), (50, 20, 5, 5), (800, 3200), (500, 800)}),
        (
            "alexnet-small",
            6499328,
            {(64, 3, 4, 4), (128, 64, 3, 3), (256, 128, 2, 2), (2048, 1024), (2048, 2048)},
        ),
    ],
)
def test_the_layers_that_wsn_masks_are_those_of_its_paper(name, count, layers):
    kernels = [weight for weight in built(name).backbone.parameters() if weight.dim() > 1]
    assert {tuple(kernel.shape) for kernel in kernels} == layers
    assert sum(kernel.numel() for kernel in kernels) == count


def test_catalogue_and_registry_name_the_same_networks():
    assert set(MODELS) == set(BACKBONES) == set(SHAPES)


def test_the_wide_lenet_pools_overlapping_windows():
    body = built("lenet-wsn").backbone
    x = torch.randn(2, 3, 32, 32)
    one = F.max_pool2d(body.first(x).relu(), 3, 2, 1)
    two = F.max_pool2d(body.second(one).relu(), 3, 2, 1)
    torch.testing.assert_close(body(x), body.fourth(body.third(two.flatten(1)).relu()).relu())


@pytest.mark.parametrize(
    "dropped",
    [(0, 0, 0, 0, 0), (1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1)],
)
def test_the_small_alexnet_drops_after_each_layer_in_training_alone(dropped):
    body = built("alexnet-small").backbone
    assert [drop.p for drop in body.drops] == [0.2, 0.2, 0.5, 0.5, 0.5]
    x = torch.randn(2, 3, 32, 32)
    expected = x
    for place, (layer, share) in enumerate(zip([*body.convolutions, *body.layers], dropped, strict=True)):
        body.drops[place].p = share
        expected = layer(expected if place < 3 else expected.flatten(1)).relu() * (1 - share)
        expected = F.max_pool2d(expected, 2) if place < 3 else expected
    torch.testing.assert_close(body.train()(x), expected)
    for drop in body.drops:
        drop.p = 1.0
    assert body.eval()(x).abs().sum() > 0


def test_normalisation_stands_before_each_relu_of_the_small_alexnet():
    body = built("alexnet-small-bn").backbone
    for drop in body.drops:
        drop.p = 0.0
    features = body.train()(torch.randn(32, 3, 32, 32))
    assert all(layer.bias is None for layer in [*body.convolutions, *body.layers])
    assert all(norm.num_batches_tracked == 1 for norm in body.norms)
    with torch.no_grad():
        body.norms[-1].bias.add_(1)  # the last thing before the last ReLU
    moved = body.train()(torch.randn(32, 3, 32, 32))
    assert moved.mean() > features.mean() + 0.3


def test_the_large_stem_quarters_the_image():
    body = built("resnet18-7x7").eval().backbone
    x = torch.randn(1, 3, 64, 96)
    assert body.maps(x).shape == (1, 512, 2, 3)
    stem = F.max_pool2d(F.relu(body.stem(x)), 3, 2, 1)
    assert stem.shape == (1, 64, 16, 24)
    torch.testing.assert_close(body.maps(x), body.blocks(stem))
    assert body.stem.conv.weight.shape == (64, 3, 7, 7)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_scores_features_and_maps_have_the_shapes_promised(name):
    model = built(name).eval()
    x = torch.randn(3, *SHAPES[name])
    assert model(x).shape == (3, 4)
    assert model.features(x).shape == (3, model.backbone.width)
    torch.testing.assert_close(model(x), model.head(model.features(x)))
    if name != "mlp":
        maps = model.backbone.maps(x)
        assert maps.dim() == 4
        assert maps.min() >= 0, "maps come after a ReLU"
        model.eval()
        assert torch.equal(model.backbone.pool(model.backbone.maps(x)), model.features(x))
        assert model.backbone.averages == name.startswith("resnet"), "whether a map's closed form is valid"
    if name.startswith("resnet"):
        assert maps.shape[1] == model.backbone.width
        torch.testing.assert_close(maps.mean((2, 3)), model.features(x))


@pytest.mark.parametrize("name", sorted({*BACKBONES} - {"mlp"}))
def test_convolutions_are_kept_channels_last(name):
    kernels = [part.weight for part in built(name).modules() if isinstance(part, nn.Conv2d)]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_hidden_widths_are_as_asked():
    model = build_model("mlp", (1, 8, 8), hidden=(30, 20, 10))
    assert [layer.out_features for layer in model.backbone.layers] == [30, 20, 10]
    assert model.features(torch.randn(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("lenet", (8, 9, 16, 27, 28, 32)),
        ("lenet-wsn", (8, 9, 15, 28, 31)),
        ("alexnet-small", (19, 20, 28, 33)),
        ("resnet18-7x7", (32, 33)),
    ],
)
def test_images_of_every_size_from_the_least_are_taken(name, sides):
    for side in sides:
        model = build_model(name, (3, side, side + 1)).eval()
        assert model.features(torch.randn(2, 3, side, side + 1)).shape == (2, model.backbone.width)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: build_model("resent32", (3, 32, 32)), "Did you mean 'resnet32'?"),
        (lambda: build_model("zzz", (3, 32, 32)), "There is no model named 'zzz'. There are: "),
        (lambda: build_model("lenet", (1, 7, 28)), "at least 8 x 8 pixels"),
        (lambda: build_model("resnet32", (64,)), "needs images"),
        (lambda: build_model("resnet34", (3, 7, 7)), "at least 8 x 8 pixels"),
        (lambda: build_model("resnet18-7x7", (3, 31, 40)), "at least 32 x 32 pixels"),
        (
            lambda: build_model("lenet-wsn", (3, 7, 9)),
            "'lenet-wsn' was asked to take inputs of shape (3, 7, 9)",
        ),
        (lambda: build_model("alexnet-small", (3, 18, 32)), "at least 19 x 19 pixels"),
        (lambda: build_model("alexnet-small-bn", (3, 18, 32)), "'alexnet-small-bn'"),
        (lambda: build_model("resnet18", (3, 32, 32), hidden=(10,)), "widths are fixed"),
        (lambda: build_model("mlp", (1, 8, 8), hidden=(10, 0)), "at least 1"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(ask, says):
    with pytest.raises(SettingsError) as error:
        ask()
    assert says in str(error.value)


def test_residual_networks_start_as_he_et_al_say():
    model = built("resnet32")
    for part in model.backbone.modules():
        if isinstance(part, nn.Conv2d):
            assert part.bias is None
            spread = (2 / (part.out_channels * 9)) ** 0.5
            assert part.weight.std().item() == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize("size", [7, 8])
def test_option_a_picks_every_second_pixel_and_adds_zeros(size):
    x = torch.randn(2, 3, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = Widen(2, 2)(x)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert y.shape[1] == 5
    assert not y[:, 3:].any()
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.square().sum().backward()
    expected = torch.zeros_like(x)
    expected[:, :, ::2, ::2] = 2 * x.detach()[:, :, ::2, ::2]
    assert torch.equal(x.grad, expected)
    assert x.grad.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_growth_leaves_old_answers_and_old_rows_as_they_are_to_the_bit(name):
    model = built(name).eval()
    x = torch.randn(5, *SHAPES[name])
    before, old = model(x), tiny.bits(model)
    assert model.grow(range(7)) is model.head.blocks[1]
    assert torch.equal(model(x)[:, :4], before)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in old.items())
    assert model.grow(range(6)) is None
    assert model(x).shape == (5, 7)
    assert model.head.groups == [(0, 1, 2, 3), (4, 5, 6)]


def test_new_rows_are_glorots_from_the_global_generator_alone():
    rows = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        rows.append(Head(50).grow(20).weight)
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    torch.manual_seed(0)
    expected = nn.init.xavier_uniform_(torch.empty(20, 50))
    assert torch.equal(rows[0], expected), "nothing else is drawn"
    assert not Head(5).grow(3).bias.any()


def test_new_rows_have_the_models_type_and_an_optimiser_holds_each_weight_once():
    model = build_model("mlp", (1, 8, 8), hidden=(10,)).double()
    model.grow(range(2))
    model.grow(range(4))
    assert all(weight.dtype == torch.float64 for weight in model.parameters())
    held = torch.optim.SGD(model.parameters(), lr=0.1).param_groups[0]["params"]
    assert len(held) == len({id(weight) for weight in held}) == 6


@pytest.mark.parametrize("growths", [(4,), (2, 4)])
def test_scores_are_in_full_precision_where_the_network_is_not(growths):
    model = build_model("mlp", (1, 8, 8), hidden=(16,))
    for classes in growths:
        model.grow(range(classes))
    x = torch.randn(5, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.features(x).dtype == torch.bfloat16
        scores = model(x)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, model(x), rtol=0.02, atol=0.02)
    scores.sum().backward()
    assert all(weight.grad.dtype == torch.float32 for weight in model.parameters())


def test_a_task_without_classes_is_refused():
    with pytest.raises(ForgetlessError, match="no labels"):
        built("mlp").grow(())


def test_facing_names_the_backbone_and_the_blocks_concerned():
    model = built("mlp", 2)
    model.grow(range(4))
    model.grow(range(6))
    blocks = model.head.blocks
    assert model.facing((3, 4)) == [model.backbone, blocks[1], blocks[2]]


def test_a_deep_copy_is_independent():
    model = built("resnet32")
    copy = deepcopy(model)
    before = tiny.bits(model)
    with torch.no_grad():
        for weight in copy.parameters():
            weight.add_(1)
    copy.grow(range(9))
    copy.train()(torch.randn(4, *SHAPES["resnet32"]))
    assert tiny.same(before, tiny.bits(model))


@pytest.mark.parametrize("name", ["resnet32", "resnet18", "resnet18-7x7"])
def test_a_folded_copy_answers_as_the_model_does_in_evaluation_mode(name):
    model = built(name).double()
    x = torch.randn(4, *SHAPES[name], dtype=torch.float64)
    for _ in range(3):
        model.train()(3 * x + 1)
    before = tiny.bits(model)
    fast = folded(model)
    assert model.training
    torch.testing.assert_close(fast(x), model.eval()(x), rtol=1e-10, atol=1e-10)
    assert not [part for part in fast.modules() if isinstance(part, nn.BatchNorm2d)]
    assert not [weight for weight in fast.parameters() if weight.requires_grad]
    assert tiny.same(before, tiny.bits(model))
    kernels = [part.weight for part in fast.modules() if isinstance(part, nn.Conv2d)]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_relu_stands_after_the_last_block():
    model = built("resnet32").eval()
    last = model.backbone.blocks[-1]
    x = torch.randn(2, 64, 8, 8)
    expected = F.relu(last.second(F.relu(last.first(x))) + x)
    torch.testing.assert_close(last(x), expected)
