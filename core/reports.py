"""What the views, mesh and finish stages say of what they made, beside it: read again by later stages and people."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import computed_field

from core.records import Record


class ElevationFound(Record):
    """How the photo's elevation was found."""

    source: str | None = None
    """``given``, ``predicted`` (by Lift-S), ``assumed`` (with another lift) or ``estimated``."""
    degrees: float | None = None
    confidence: float | None = None
    """0 to 1."""


class ViewsInfo(Record):
    """How views were made."""

    model: str | None = None
    weights: str | None = None
    seed: int | None = None
    elevation: ElevationFound | None = None
    seed_agreement: float | None = None
    """PSNR of the same views from another seed, dB."""
    photos: int | None = None
    """Where there are several."""


class PlacementReport(Record):
    """Where a file's model stands (:class:`core.mesh.placement.Placement`)."""

    scale: float
    offset: tuple[float, float, float]
    turn: float = 0.0
    """Only where there is one."""


class Topology(Record):
    """What counting says about a mesh (:func:`core.mesh.topology.inspect`)."""

    faces: int
    vertices: int
    components: int
    open_edges: int
    """Edges used by one face only."""
    crowded_edges: int
    """Edges used by more than two faces."""
    flipped_edges: int
    """Edges that two faces run through in the same direction."""
    pinched_vertices: int
    """Vertices whose faces form more than one fan."""
    degenerate_faces: int
    """Faces with a repeated corner or no area."""
    volume: float
    """Signed; positive when faces look outward."""
    manifold: bool
    """manifold3d's own verdict."""
    crossing_faces: int = 0
    """Counted by the mesh stage."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def sound(self) -> bool:
        """Closed, manifold, consistently oriented, outward."""
        bad = self.open_edges + self.crowded_edges + self.flipped_edges + self.pinched_vertices
        return self.faces > 0 and bad == 0 and self.volume > 0 and self.manifold


class MeshInfo(Record):
    """How a mesh was made."""

    engine: str = "pymeshlab"
    """Which tools may decimate it."""
    isovalue: float | None = None
    isovalue_from: str | None = None
    """``reconstruction`` or ``silhouette``."""
    silhouette_iou: float | None = None
    floaters_dropped: int | None = None
    joints: int | None = None
    border_share: float | None = None
    """Of the box's border that the surface was cut at."""
    fairing: Mapping[str, int] | None = None
    topology: Topology | None = None


class LevelReport(Record):
    """A level of detail, judged by the bytes that were written."""

    budget: int
    faces: int
    vertices: int
    tool: str
    notes: list[str]
    topology: Topology
    bytes: int


class TextureReport(Record):
    """Where a texture's texels came from, in shares."""

    texels: float | None = None
    from_photo: float | None = None
    from_views: float | None = None
    unseen: float | None = None
    """No picture shows it."""
    filled_from: str | None = None
    """``field`` or ``neighbours``."""
    delight: float | None = None
    charts: int | None = None
    gains: list[list[float]] | None = None
    """Of several photos, what each one's red, green and blue were multiplied by to look like the first; only where they
    were not alike."""
    strangers: int | None = None
    """How many of them show quite other colours than the rest; only where some do."""


class FrontReport(Record):
    """The finished model from the photo's camera against the photo."""

    iou: float | None
    psnr: float | None


class CheckReport(Record):
    """One line of the verification."""

    name: str
    passed: bool
    found: str
    wanted: str


class VerificationReport(Record):
    """All checks of one file."""

    profile: str
    source: str
    url: str
    passed: bool
    checks: list[CheckReport]


class FinishReport(Record):
    """``report.json`` of an asset, of whatever version made it."""

    placement: PlacementReport | None = None
    levels: dict[str, LevelReport] | None = None
    levels_left_out: list[int] | None = None
    """Budgets that no sound mesh met."""
    profile: str | None = None
    texture: TextureReport | None = None
    """Of ``model.glb``."""
    confidence: Mapping[str, int | float] | None = None
    """How much the reconstruction believes its shape."""
    front: FrontReport | None = None
    verification: VerificationReport | None = None
    bytes: dict[str, int] | None = None
    """Of each file."""
    size_m: list[float] | None = None
    size_known: bool | None = None
    faces: int | None = None
    """Of ``model.glb``."""
