"""USDZ for iPhones: the same mesh and texture as the GLB, packed as Apple's Quick Look reads it."""

from __future__ import annotations

import re
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import MeshFailed
from core.mesh.values import Model


def write_usdz(model: Model, name: str, copyright_text: str = "", extras: dict[str, Any] | None = None) -> bytes:
    """``model`` as a USDZ: metres, Y up, one mesh, one UsdPreviewSurface with the texture's own bytes. Prims bear the
    product's ``name``, the layer's custom data ``extras``: where the file comes from.

    Raises :class:`MeshFailed` without a texture.
    """
    if model.texture is None or model.uv is None:
        raise MeshFailed("Only a textured mesh has a USDZ.")
    picture = "texture.jpg" if model.texture_type == "image/jpeg" else "texture.png"
    with tempfile.TemporaryDirectory(prefix="meshmill-") as folder:
        layer = Path(folder, "model.usdc")
        _write_layer(layer, model, picture, name, copyright_text, extras or {})
        data = layer.read_bytes()
    # The package must begin with the root layer.
    return pack_stored([("model.usdc", data), (picture, model.texture)])


def identifier(name: str) -> str:
    """A prim's name for any SKU: ASCII letters, digits and underscores, at most 80, no digit first."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name)[:80].strip("_") or "Product"
    return f"_{plain}" if plain[0].isdigit() else plain


def _write_layer(
    path: Path, model: Model, picture: str, name: str, copyright_text: str, extras: dict[str, Any]
) -> None:
    from pxr import Gf, Kind, Sdf, Usd, UsdGeom, UsdShade, Vt

    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    prim = identifier(name)
    root = UsdGeom.Xform.Define(stage, f"/{prim}")
    stage.SetDefaultPrim(root.GetPrim())
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    root.GetPrim().SetDisplayName(name)
    if copyright_text:
        root.GetPrim().SetCustomDataByKey("copyright", copyright_text)

    mesh = UsdGeom.Mesh.Define(stage, f"/{prim}/{prim}_mesh")
    vertices = model.vertices.astype(np.float32)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(vertices))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(model.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(model.faces.astype(np.int32).reshape(-1)))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(model.normals.astype(np.float32)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(Vt.Vec3fArray([Gf.Vec3f(*map(float, end)) for end in (vertices.min(0), vertices.max(0))]))
    assert model.uv is not None
    st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
    # USD's textures begin at the bottom.
    st.Set(Vt.Vec2fArray.FromNumpy(np.column_stack([model.uv[:, 0], 1 - model.uv[:, 1]]).astype(np.float32)))

    material = UsdShade.Material.Define(stage, f"/{prim}/{prim}_material")
    shader = UsdShade.Shader.Define(stage, f"/{prim}/{prim}_material/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.9)
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    reader = UsdShade.Shader.Define(stage, f"/{prim}/{prim}_material/Coordinates")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    texture = UsdShade.Shader.Define(stage, f"/{prim}/{prim}_material/Texture")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(picture))
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
    for wrap in ("wrapS", "wrapT"):
        texture.CreateInput(wrap, Sdf.ValueTypeNames.Token).Set("clamp")
    texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(
        reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    )
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(
        texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    )
    material.CreateSurfaceOutput().ConnectToSource(shader.CreateOutput("surface", Sdf.ValueTypeNames.Token))
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)
    if extras:
        stage.GetRootLayer().customLayerData = extras
    stage.GetRootLayer().Save()


def pack_stored(files: list[tuple[str, bytes]]) -> bytes:
    """A zip as USDZ asks for it: nothing compressed, every file's data at a multiple of 64 bytes.

    Written by hand because the order, the dates (none) and the padding make the bytes: same files, same package.
    """
    body, directory = bytearray(), bytearray()
    for name, data in files:
        path, crc = name.encode(), zlib.crc32(data)
        start = len(body)
        # The extra field needs four bytes of its own before it can pad.
        padding = -(start + 30 + len(path) + 4) % 64
        extra = struct.pack("<HH", 0x1986, padding) + b"\0" * padding
        common = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0x21, crc, len(data), len(data), len(path), len(extra))
        body += b"PK\x03\x04" + common + path + extra + data
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common[:-2] + struct.pack("<H", 0)
        directory += struct.pack("<HHHII", 0, 0, 0, 0, start) + path
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return bytes(body + directory + b"PK\x05\x06" + end)


def validate_usdz(data: bytes) -> list[str]:
    """What USD's own validators find wrong with a package; empty when nothing."""
    from pxr import Usd, UsdValidation

    with tempfile.TemporaryDirectory(prefix="meshmill-") as folder:
        path = Path(folder, "model.usdz")
        path.write_bytes(data)
        stage = Usd.Stage.Open(str(path))
        if not stage:
            return ["USD cannot open the package."]
        registry = UsdValidation.ValidationRegistry()
        context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
        return [f"{error.GetName()}: {error.GetMessage()}" for error in context.Validate(stage)]
