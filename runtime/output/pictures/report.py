"""The report: one HTML file that needs nothing else, with pictures, captions, and where each sentence came
from.

In: records. Out: a file that is whole after every write, so that an interrupted run leaves a report of what
was done.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from edgecap import __version__
from edgecap.engines.errors import OutputError
from edgecap.runtime.data.caption import FieldText, InstanceCaption
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.data.window import Window
from edgecap.runtime.describe.relation_sentences import relation_sentences
from edgecap.runtime.describe.views import instance_view
from edgecap.runtime.measure.best_view import Moment, key_observation, moments, view_weight
from edgecap.runtime.output.files import fresh_path, ready_file, replace_text, writing
from edgecap.runtime.output.pictures.drawing import INK, PAPER, colour_of, jpeg_uri, key_frame, strip
from edgecap.runtime.output.pictures.lettering import chip
from edgecap.runtime.output.row import message_of, video_name

_PICTURE_WIDTH = 960
_VIEW_SIDE, _MOST_VIEWS, _VIEW_MARGIN = 132, 4, 1.3
_STYLE = Path(__file__).with_name("report.css")
_CHUNK = 1 << 20
_REST = 20.0
"""A long report is written again only after resting this many times as long as writing it took."""


class HtmlReportSink:
    """Writes `path` (None writes nothing). `root`: see `record_to_json`. `title`: the report's heading.

    `resumed`: a report that is there stays; this run's is called NAME.resumed-1.html and so on, and is written only
    when there is something in it. Sections wait in a nameless file beside it: with their pictures, an hour of video has
    some 80 MB of them.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        root: Path | None = None,
        title: str = "edgecap report",
        resumed: bool = False,
    ) -> None:
        self.path = None if path is None else fresh_path(Path(path)) if resumed else Path(path)
        self._resumed = resumed
        self._root, self._title = root, title
        self._sections: IO[str] | None = None
        self._video = ""
        self._clips = self._instances = 0
        self._stale = False
        self._written_at, self._write_took = float("-inf"), 0.0

    def __enter__(self) -> Self:
        """Prove that the file can be written. Raises `OutputError`."""
        if self.path is not None:
            ready_file(self.path)
            with writing(self.path):
                self._sections = tempfile.TemporaryFile("w+", encoding="utf-8", newline="", dir=self.path.parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.path is not None and (self._stale or not (self._resumed or self.path.exists())):
                self._save(self.path)
        finally:
            if self._sections is not None:
                self._sections.close()

    def write(self, record: Record) -> None:
        """Add one window."""
        if self.path is None:
            return
        self._clips += 1
        self._instances += len(record.caption.instances)
        self._add(self.path, record.video.path, clip_section(record))

    def fail(self, failed: FailedVideo) -> None:
        """Add the reason why a video was not captioned (to its end)."""
        if self.path is None:
            return
        extent = " to its end" if failed.clips_written else ""
        self._add(
            self.path,
            failed.path,
            f'<section class="clip failed"><h3>Not captioned{extent}'
            f"</h3><p><b>{escape(failed.error)}</b>: "
            f"{escape(message_of(failed))}</p></section>\n",
        )

    def _add(self, path: Path, video_path: str, section: str) -> None:
        """Append a section, under the video's heading where it is the video's first; write the report when due."""
        if self._sections is None:
            raise OutputError(f"{path}: the sink is closed; write inside its with block")
        heading = ""
        if video_path != self._video:
            self._video = video_path
            heading = f"<h2>{escape(video_name(video_path, root=self._root))}</h2>\n"
        with writing(path):
            self._sections.write(heading + section)
        self._stale = True
        if time.monotonic() - self._written_at >= _REST * self._write_took:
            self._save(path)

    def _save(self, path: Path) -> None:
        begun = time.monotonic()
        replace_text(path, self._page())
        self._written_at = time.monotonic()
        self._write_took, self._stale = self._written_at - begun, False

    def _page(self) -> Iterator[str]:
        style = _STYLE.read_text(encoding="utf-8")
        yield (
            f'<!doctype html>\n<html lang="en"><head><meta '
            f'charset="utf-8"><title>{escape(self._title)}</title>\n'
            f'<meta name="viewport" content="width=device-width, '
            f'initial-scale=1">\n<style>\n{style}</style></head>\n'
            f"<body><header><h1>{escape(self._title)}</h1><p>{_count(self._clips, 'clip')}, "
            f"{_count(self._instances, 'instance')}; written by edgecap {__version__}</p>\n{_LEGEND}</header>\n<main>\n"
        )
        if self._sections is not None:
            self._sections.seek(0)
            yield from iter(partial(self._sections.read, _CHUNK), "")
            self._sections.seek(0, os.SEEK_END)
        yield "</main></body></html>\n"


def clip_section(record: Record) -> str:
    """One window as an HTML section: key frame, sentences, instances, figures."""
    window, caption = record.window, record.caption
    ids = {instance.track_id for instance in caption.instances}
    picture = ""
    if window.observations:
        observation = key_observation(window, ids)
        uri = jpeg_uri(key_frame(record, observation, width=_PICTURE_WIDTH))
        picture = (
            f'<figure><img src="{uri}" alt="{escape(caption.global_description.text)}">'
            f"<figcaption>the frame at {observation.frame.pts_seconds:.2f} s</figcaption></figure>\n"
        )
    rows = "".join(_instance_row(record, i, instance) for i, instance in enumerate(caption.instances))
    table = f'<div class="instances">{rows}</div>\n' if rows else _NO_INSTANCE
    return (
        f'<section class="clip"><h3>Clip {window.clip_index} <small>{window.start_seconds:.2f} to '
        f"{window.end_seconds:.2f} s, shot {window.shot_index}</small></h3>\n{_domain_note(record)}{picture}"
        f'<p class="global">{_text(caption.global_description)}</p>\n{table}'
        f'<dl class="scene"><dt>Background</dt><dd>{_text(caption.background)}</dd>'
        f"<dt>Camera</dt><dd>{_text(caption.camera)}{_camera_figures(record)}</dd>"
        f"{_relations(record)}</dl>\n{_figures(record)}</section>\n"
    )


def _relations(record: Record) -> str:
    """Relations of the instances; "" where there are none to report."""
    sentences = relation_sentences(record.evidence.relations, record.evidence) if record.caption.instances else ()
    if not sentences:
        return ""
    return f'<dt>Relations</dt><dd>{escape(" ".join(sentences))} <span class="badge computed">computed</span></dd>'


def _instance_strip(window: Window, track_id: int) -> NDArray[np.uint8] | None:
    """Isolated views in time order, the best of each quarter of its time on screen: uint8 [132, W, 3]; None
    without a mask."""
    seen = [m for m in moments(window, track_id) if m.instance.mask.area_pixels]
    if not seen:
        return None
    quarters = np.array_split(np.arange(len(seen)), _MOST_VIEWS)
    picks = [max(quarter, key=lambda i: view_weight(seen[i].instance.mask)) for quarter in quarters if len(quarter)]
    return strip([_view(seen[i]) for i in picks])


def _view(moment: Moment) -> NDArray[np.uint8]:
    frame, seen = moment.observation.frame, moment.instance
    view = instance_view(frame.image_rgb, seen.mask, box_xyxy=seen.box_xyxy, side=_VIEW_SIDE, margin=_VIEW_MARGIN)
    stamp = f"{frame.pts_seconds:.1f} s"
    chip(view, stamp, x=4, y=_VIEW_SIDE, size=11, fill=INK, colour=PAPER, opacity=0.6)
    return view


def _instance_row(record: Record, index: int, instance: InstanceCaption) -> str:
    red, green, blue = colour_of(instance.track_id)
    views = _instance_strip(record.window, instance.track_id)
    picture = "" if views is None else f'<img src="{jpeg_uri(views)}" alt="views of No.{index}">'
    fields = (("Appearance", instance.appearance), ("Actions", instance.action), ("Position", instance.position))
    listed = "".join(f"<dt>{name}</dt><dd>{_text(field)}</dd>" for name, field in fields)
    track = next(t for t in record.evidence.tracks if t.track_id == instance.track_id)
    life = "".join(f"<em>{word}</em>" for word, so in (("appears here", track.born), ("ends here", track.lost)) if so)
    swatches = "".join(
        f'<i style="background:{_SWATCHES[c.name]}; flex-grow:{c.share:.3f}" title="{c.name} {c.share:.0%}"></i>'
        for c in track.palette
    )
    return (
        f'<article style="--tone: rgb({red} {green} {blue})"><h4><b>No.{index}</b> '
        f"{_text(instance.class_name)} <small>track {instance.track_id}</small>{life}</h4>{picture}"
        f'<div class="palette">{swatches}</div><dl>{listed}</dl></article>\n'
    )


def _text(field: FieldText) -> str:
    """The sentence with its badge; the computed part after a model's words gets its own badge."""
    said = field.text.removesuffix(field.computed_part).rstrip() if field.computed_part else field.text
    html = f"{escape(said)} {_badge(field)}"
    if field.computed_part:
        html += f' {escape(field.computed_part)} <span class="badge computed">computed</span>'
    if field.rejections:
        html += (
            f"<details><summary>{_count(len(field.rejections), 'objection')} to earlier "
            f"answers</summary>"
            f"<ul>{''.join(f'<li>{escape(reason)}</li>' for reason in field.rejections)}</ul></details>"
        )
    return html


def _badge(field: FieldText) -> str:
    sure = "" if field.confidence is None else f" {field.confidence:.0%}"
    return f'<span class="badge {field.provenance}">{field.provenance}{sure}</span>'


def _domain_note(record: Record) -> str:
    domain = record.domain
    if domain.status != "outside":
        return ""
    return (
        f'<p class="warning">This clip is unlike anything that the models were trained on (distance '
        f"{domain.distance:.2f}, "
        f'threshold {domain.threshold:.2f}): no instances are reported and what they can\'t know is "unknown".</p>\n'
    )


def _camera_figures(record: Record) -> str:
    camera = record.evidence.camera
    if not camera.labels:
        return ""
    return (
        f'<br><small class="numbers">pan {camera.pan_total:.2f}, tilt {camera.tilt_total:.2f} frame '
        f"widths; zoom {camera.zoom_total:.2f}x; roll {camera.roll_total_degrees:.1f}&deg;; agreement "
        f"{camera.confidence:.0%}</small>"
    )


def _figures(record: Record) -> str:
    caption = record.caption
    stages = ", ".join(f"{escape(name)} {seconds:.2f} s" for name, seconds in record.stage_seconds.items())
    used = ", ".join(f"{escape(name)} {escape(value)}" for name, value in record.used.items())
    lines = [f"{_count(len(record.window.observations), 'frame')} analysed"]
    if record.window.dropped_frames:
        lines.append(f"{_count(record.window.dropped_frames, 'frame')} dropped")
    lines += [f"caption {record.age_seconds:.2f} s old when written", f"busy: {stages}"] if stages else []
    if caption.model_calls:
        lines.append(
            f"{_count(caption.generations, 'answer')} in {_count(caption.model_calls, 'graph run')}, "
            f"{caption.prefill_tokens} tokens read, {caption.decode_tokens} said"
        )
    lines.append(f"domain {record.domain.status}")
    return f'<p class="numbers">{"; ".join(lines)}{"<br>" if used else ""}{used}</p>\n'


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


_SWATCHES = {
    "black": "#1e1e22",
    "white": "#f4f4f2",
    "gray": "#86888c",
    "red": "#d6262a",
    "orange": "#f68414",
    "yellow": "#fad828",
    "green": "#2a963e",
    "blue": "#2658d6",
    "purple": "#7e34a8",
    "pink": "#fa8ec0",
    "brown": "#7a4822",
}
_NO_INSTANCE = '<p class="none">No instance is reported.</p>\n'
_LEGEND = (
    '<p class="legend"><span class="badge computed">computed</span> measured from the pixels '
    '<span class="badge detector">detector</span> the detector\'s vote '
    '<span class="badge model">model</span> the captioner\'s words, checked '
    '<span class="badge fallback">fallback</span> measured, because the captioner was refused or not '
    "asked "
    '<span class="badge abstained">abstained</span> not known</p>'
)
