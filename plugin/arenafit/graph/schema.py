"""The TFLite schema (3d, as of October 2026) as data: which fields a table has, in which order.

Our own notation of the facts in TensorFlow's ``schema.fbs``, in lines of words; a line
that starts with a blank goes on with the one before:

    Table field:type field:type=default ...     fields in slot order
    Enum:type NAME NAME ...                     values count from 0
    Union Table Table ...                       members count from 1; 0 is "none"

``[type]`` is a vector, ``[type@16]`` one whose data starts at a multiple of 16 bytes.
Defaults are 0 unless given. A member of a union that no line describes has no fields.
Nothing is parsed before it is asked for, so importing costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from arenafit.graph import schema_options

__all__ = [
    "FILE_IDENTIFIER",
    "ROOT",
    "Field",
    "enum",
    "fields",
    "has_fields",
    "slot_widths",
    "union",
]

FILE_IDENTIFIER = b"TFL3"
ROOT = "Model"

_ENUMS = """
TensorType:byte FLOAT32 FLOAT16 INT32 UINT8 INT64 STRING BOOL INT16 COMPLEX64 INT8 FLOAT64
    COMPLEX128 UINT64 RESOURCE VARIANT UINT32 UINT16 INT4 BFLOAT16 INT2 UINT4 FLOAT8_E4M3FN
    FLOAT8_E5M2
DimensionType:byte DENSE SPARSE_CSR
CustomOptionsFormat:byte FLEXBUFFERS
"""

_UNIONS = """
QuantizationDetails CustomQuantization BlockwiseQuantization MultiAxisQuantization
SparseIndexVector Int32Vector Uint16Vector Uint8Vector
"""

_TABLES = """
Model version:uint operator_codes:[OperatorCode] subgraphs:[SubGraph] description:string
    buffers:[Buffer] metadata_buffer:[int] metadata:[Metadata] signature_defs:[SignatureDef]
    external_buffer_groups:[ExternalBufferGroup] external_buffers:[ExternalBuffer]
OperatorCode deprecated_builtin_code:byte custom_code:string version:int=1
    builtin_code:BuiltinOperator
SubGraph tensors:[Tensor] inputs:[int] outputs:[int] operators:[Operator] name:string
    debug_metadata_index:int=-1
Tensor shape:[int] type:TensorType buffer:uint name:string quantization:QuantizationParameters
    is_variable:bool sparsity:SparsityParameters shape_signature:[int] has_rank:bool
    variant_tensors:[VariantSubType] external_buffer:uint
QuantizationParameters min:[float] max:[float] scale:[float] zero_point:[long]
    details:QuantizationDetails quantized_dimension:int
CustomQuantization custom:[ubyte@16]
BlockwiseQuantization scales:int zero_points:int block_size:int block_shape:[int]
MultiAxisQuantization scales:int zero_points:int block_size:int quantized_dimensions:[int]
SparsityParameters traversal_order:[int] block_map:[int] dim_metadata:[DimensionMetadata]
DimensionMetadata format:DimensionType dense_size:int array_segments:SparseIndexVector
    array_indices:SparseIndexVector
Int32Vector values:[int]
Uint16Vector values:[ushort]
Uint8Vector values:[ubyte]
VariantSubType shape:[int] type:TensorType has_rank:bool
Operator opcode_index:uint inputs:[int] outputs:[int] builtin_options:BuiltinOptions
    custom_options:[ubyte] custom_options_format:CustomOptionsFormat
    mutating_variable_inputs:[bool] intermediates:[int] large_custom_options_offset:ulong
    large_custom_options_size:ulong builtin_options_2:BuiltinOptions2 debug_metadata_index:int=-1
Buffer data:[ubyte@16] offset:ulong size:ulong
Metadata name:string buffer:uint
SignatureDef inputs:[TensorMap] outputs:[TensorMap] signature_key:string deprecated_tag:string
    subgraph_index:uint
TensorMap name:string tensor_index:uint
ExternalBufferGroup name:string
ExternalBuffer id:uint group:uint offset:ulong length:ulong packing:string
"""

_SCALARS = {  # flatbuffer name -> struct format, which also says the size
    "bool": "?", "byte": "b", "ubyte": "B", "short": "h", "ushort": "H",
    "int": "i", "uint": "I", "long": "q", "ulong": "Q", "float": "f", "double": "d",
}  # fmt: skip

_SIZES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table.

    `kind` is one of ``scalar``, ``string``, ``table``, ``union``, ``scalars`` and ``tables``
    (the last two are vectors). A union takes two slots: its type in `slot` - 1, its
    value in `slot`.
    """

    name: str
    slot: int
    kind: str
    type: str  # of the value, or of a vector's element
    default: float = 0  # of a scalar
    format: str = ""  # struct's character for a scalar, or a vector's element
    size: int = 4  # bytes of a scalar, or a vector's element
    values: int = 0  # an enum's number of values; 0 where any number will do
    align: int = 1  # bytes; of a vector's first element, beyond what its size asks for

    @property
    def width(self) -> int:
        """Bytes in the table: a scalar's own, or an offset's."""
        return self.size if self.kind == "scalar" else 4


@cache
def _lines(text: str) -> dict[str, list[str]]:
    """First word of each line -> its other words."""
    joined = text.replace("\n    ", " ").split("\n")
    return {words[0]: words[1:] for words in map(str.split, joined) if words}


@cache
def _tables() -> dict[str, list[str]]:
    return _lines(_TABLES) | _lines(schema_options.TABLES)


@cache
def _unions() -> dict[str, list[str]]:
    return _lines(_UNIONS) | _lines(schema_options.UNIONS)


@cache
def _enums() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name of an enum -> its scalar type and its values' names."""
    lines = _lines(_ENUMS) | _lines(schema_options.ENUMS)
    return {head.split(":")[0]: (head.split(":")[1], tuple(lines[head])) for head in lines}


def enum(name: str) -> tuple[str, ...]:
    """Names of the values of enum `name`, in order from 0."""
    return _enums()[name][1]


@cache
def union(name: str) -> tuple[str, ...]:
    """Names of the members of union `name`; member i has type i, the first is ""."""
    return ("", *_unions()[name])


def has_fields(table: str) -> bool:
    """False for a table that says all it can by being there (PadOptions)."""
    return table in _tables()


@cache
def fields(table: str) -> tuple[Field, ...]:
    """The fields of `table` in slot order.

    Raises:
        KeyError: the schema has no such table.
    """
    words = _tables().get(table)
    if words is None:
        if not any(table in members for members in _unions().values()):
            raise KeyError(table)
        return ()
    found: list[Field] = []
    slot = 0
    for word in words:
        name, _, kind = word.partition(":")
        field = _field(name, slot, kind)
        found.append(field)
        slot = field.slot + 1
    return tuple(found)


@cache
def slot_widths(table: str) -> tuple[int, ...]:
    """Bytes that each slot's field takes in a `table`."""
    widths: list[int] = []
    for field in fields(table):
        if field.kind == "union":
            widths.append(1)
        widths.append(field.width)
    return tuple(widths)


def _field(name: str, slot: int, text: str) -> Field:
    """The field that ``name:text`` describes, the first free slot being `slot`."""
    text, _, default = text.partition("=")
    vector = text.startswith("[")
    kind, _, align = text.strip("[]").partition("@")
    if kind in _unions():
        return Field(name, slot + 1, "union", kind)
    if kind == "string":
        return Field(name, slot, "string", kind)
    if kind in _tables():
        return Field(name, slot, "tables" if vector else "table", kind)
    base, values = _enums().get(kind, (kind, ()))
    letter = _SCALARS[base]
    return Field(
        name,
        slot,
        "scalars" if vector else "scalar",
        kind,
        default=_default(default, kind),
        format=letter,
        size=_SIZES[letter],
        values=len(values),
        align=int(align or 1),
    )


def _default(text: str, kind: str) -> float:
    if text in ("", "true"):
        return text == "true" if kind == "bool" else 0
    return enum(kind).index(text) if kind in _enums() else int(text)
