"""The JSON of a product's GLB as types: glTF 2.0, restricted to one still mesh that carries everything within its file.

What is not here (animations, skins, cameras, morph targets, sparse accessors, files beside the GLB) has no place in a
product's file and is refused, as are values that the specification refuses. Property tables: glTF 2.0, section 5.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Index = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Vector = Annotated[list[float], Field(min_length=3, max_length=3)]
Version = Annotated[str, Field(pattern=r"^2\.[0-9]+$")]
Extensions = dict[str, dict[str, Any]]


class Part(BaseModel):
    """Every object may have extensions and extras, and nothing that the specification does not know."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    name: str | None = None
    extensions: Extensions = {}
    extras: Any = None

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, given: Any) -> Any:
        if isinstance(given, dict) and (empty := [key for key, value in given.items() if value is None]):
            raise ValueError(f"{empty[0]} is null")
        return given


class Asset(Part):
    version: Version
    min_version: Version | None = Field(None, alias="minVersion")
    generator: str | None = None
    copyright: str | None = None


class Scene(Part):
    nodes: list[Index] = Field(min_length=1)


class Node(Part):
    mesh: Index
    translation: Vector | None = None
    scale: Vector | None = None


class Primitive(Part):
    attributes: dict[
        Annotated[str, Field(pattern=r"^(POSITION|NORMAL|TANGENT|TEXCOORD_\d|COLOR_\d|_[A-Z0-9_]+)$")], Index
    ]
    indices: Index
    material: Index | None = None
    mode: Literal[4] = 4


class Mesh(Part):
    primitives: list[Primitive] = Field(min_length=1, max_length=1)


class TextureInfo(Part):
    index: Index
    tex_coord: Index = Field(0, alias="texCoord")


class NormalTexture(TextureInfo):
    scale: float = 1


class OcclusionTexture(TextureInfo):
    strength: Share = 1


class Surface(Part):
    base_color_factor: Annotated[list[Share], Field(min_length=4, max_length=4)] | None = Field(
        None, alias="baseColorFactor"
    )
    base_color_texture: TextureInfo | None = Field(None, alias="baseColorTexture")
    metallic_factor: Share = Field(1, alias="metallicFactor")
    roughness_factor: Share = Field(1, alias="roughnessFactor")
    metallic_roughness_texture: TextureInfo | None = Field(None, alias="metallicRoughnessTexture")


class Material(Part):
    surface: Surface | None = Field(None, alias="pbrMetallicRoughness")
    normal_texture: NormalTexture | None = Field(None, alias="normalTexture")
    occlusion_texture: OcclusionTexture | None = Field(None, alias="occlusionTexture")
    emissive_texture: TextureInfo | None = Field(None, alias="emissiveTexture")
    emissive_factor: Annotated[list[Share], Field(min_length=3, max_length=3)] | None = Field(
        None, alias="emissiveFactor"
    )
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = Field("OPAQUE", alias="alphaMode")
    alpha_cutoff: Annotated[float, Field(ge=0)] | None = Field(None, alias="alphaCutoff")
    double_sided: bool = Field(False, alias="doubleSided")

    def textures(self) -> list[TextureInfo]:
        """Every texture that the material shows."""
        surface = self.surface or Surface()
        shown = (
            surface.base_color_texture,
            surface.metallic_roughness_texture,
            self.normal_texture,
            self.occlusion_texture,
            self.emissive_texture,
        )
        return [texture for texture in shown if texture is not None]


class Texture(Part):
    sampler: Index | None = None
    source: Index | None = None


Wrap = Literal[33071, 33648, 10497]


class Sampler(Part):
    mag_filter: Literal[9728, 9729] | None = Field(None, alias="magFilter")
    min_filter: Literal[9728, 9729, 9984, 9985, 9986, 9987] | None = Field(None, alias="minFilter")
    wrap_s: Wrap = Field(10497, alias="wrapS")
    wrap_t: Wrap = Field(10497, alias="wrapT")


class Image(Part):
    buffer_view: Index = Field(alias="bufferView")
    mime_type: Literal["image/jpeg", "image/png", "image/webp"] = Field(alias="mimeType")


class Accessor(Part):
    buffer_view: Index | None = Field(None, alias="bufferView")
    byte_offset: Index = Field(0, alias="byteOffset")
    component_type: Literal[5120, 5121, 5122, 5123, 5125, 5126] = Field(alias="componentType")
    normalized: bool = False
    count: int = Field(ge=1)
    type: Literal["SCALAR", "VEC2", "VEC3", "VEC4"]
    max: list[float] | None = None
    min: list[float] | None = None

    @property
    def width(self) -> int:
        """Components of one element."""
        return 1 if self.type == "SCALAR" else int(self.type[-1])

    @property
    def component(self) -> int:
        """Bytes of one component."""
        return {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}[self.component_type]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(bound is not None and len(bound) != self.width for bound in (self.min, self.max)):
            raise ValueError(f"min and max of a {self.type} have {self.width} numbers")
        if self.normalized and self.component == 4:
            raise ValueError("only bytes and shorts are normalized")
        if self.byte_offset % self.component:
            raise ValueError(f"byteOffset is no multiple of {self.component}")
        if self.buffer_view is None and self.byte_offset:
            raise ValueError("byteOffset without bufferView")
        return self


class BufferView(Part):
    buffer: Literal[0]
    byte_offset: Index = Field(0, alias="byteOffset")
    byte_length: int = Field(ge=1, alias="byteLength")
    byte_stride: int | None = Field(None, ge=4, le=252, multiple_of=4, alias="byteStride")
    target: Literal[34962, 34963] | None = None


class BufferPart(Part):
    byte_length: int = Field(ge=1, alias="byteLength")


class Variant(Part):
    name: str


class Variants(Part):
    """KHR_materials_variants of the whole file: what it may be shown as."""

    variants: list[Variant] = Field(min_length=1)


class VariantMapping(Part):
    material: Index
    variants: list[Index] = Field(min_length=1)


class VariantMappings(Part):
    """KHR_materials_variants of a primitive: the material that it has in each variant."""

    mappings: list[VariantMapping] = Field(min_length=1)


class Document(Part):
    """The whole JSON chunk: one mesh on one node of one scene, all data in the binary chunk."""

    asset: Asset
    scene: Literal[0] = 0
    scenes: list[Scene] = Field(min_length=1, max_length=1)
    nodes: list[Node] = Field(min_length=1, max_length=1)
    meshes: list[Mesh] = Field(min_length=1, max_length=1)
    materials: list[Material] = Field([], min_length=1)
    textures: list[Texture] = Field([], min_length=1)
    samplers: list[Sampler] = Field([], min_length=1)
    images: list[Image] = Field([], min_length=1)
    accessors: list[Accessor] = Field(min_length=1)
    buffer_views: list[BufferView] = Field(min_length=1, alias="bufferViews")
    buffers: list[BufferPart] = Field(min_length=1, max_length=1)
    extensions_used: list[str] = Field([], min_length=1, alias="extensionsUsed")
    extensions_required: list[str] = Field([], min_length=1, alias="extensionsRequired")

    @property
    def primitive(self) -> Primitive:
        """The one that there is."""
        return self.meshes[0].primitives[0]
