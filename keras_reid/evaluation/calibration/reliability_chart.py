"""Reliability as a picture: predicted against observed match rates."""

from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.files import save_picture

_SIZE, _LEFT, _RIGHT, _TOP, _BOTTOM = (560, 580), 64, 24, 64, 56
_PAPER, _INK, _FAINT, _GRID, _POINT = "#ffffff", "#1f2328", "#57606a", "#e3e7eb", "#0969da"
_FEW = 200  # pairs; a rate of fewer says little


def draw_reliability(calibration, path):
    """Draws the reliability of a calibration: a point a bin, with a line of one standard deviation of half to half.

    On the diagonal as many pairs are the same as predicted. Beside each point stands how many pairs it is of; bins of
    fewer than 200 are hollow.

    Args:
        calibration: `Calibration`.
        path: the picture to write; its ending (.png, .jpg, …) is its format.

    Example:
        >>> draw_reliability(calibration, "calibration.png")  # doctest: +SKIP
    """
    right, bottom = _SIZE[0] - _RIGHT, _SIZE[1] - _BOTTOM

    def x(rate):
        return _LEFT + rate * (right - _LEFT)

    def y(rate):
        return bottom - min(max(rate, 0), 1) * (bottom - _TOP)

    paper = Image.new("RGB", _SIZE, _PAPER)
    draw = ImageDraw.Draw(paper)
    small, bold = ImageFont.load_default(12), ImageFont.load_default(15)
    draw.text((_LEFT, 12), "reliability, of identities that were not fitted on", _INK, bold)
    told = f"prior {calibration.prior:.3g}, {calibration.fitted_on['identities']} identities in random halves"
    draw.text((_LEFT, 36), told, _FAINT, small)
    for tenth in range(0, 11, 2):
        rate = tenth / 10
        draw.line([(_LEFT, y(rate)), (right, y(rate))], _GRID)
        draw.line([(x(rate), _TOP), (x(rate), bottom)], _GRID)
        draw.text((_LEFT - 8, y(rate)), f"{rate:.1f}", _FAINT, small, "rm")
        draw.text((x(rate), bottom + 8), f"{rate:.1f}", _FAINT, small, "ma")
    draw.line([(x(0), y(0)), (x(1), y(1))], _FAINT)
    draw.text(
        ((_LEFT + right) / 2, bottom + 30),
        "predicted probability (observed rate upright)",
        _FAINT,
        small,
        "ma",
    )
    for row in calibration.reliability:
        at, level, spread = x(row["predicted"]), y(row["observed"]), row["deviation"]
        draw.line([(at, y(row["observed"] - spread)), (at, y(row["observed"] + spread))], _POINT)
        fill = _POINT if row["pairs"] >= _FEW else _PAPER
        draw.ellipse((at - 5, level - 5, at + 5, level + 5), fill=fill, outline=_POINT, width=2)
        beside, anchor = (at + 10, "lm") if at < right - 60 else (at - 10, "rm")
        draw.text((beside, min(level, bottom - 10)), f"{row['pairs']}", _FAINT, small, anchor)
    save_picture(paper, path)
