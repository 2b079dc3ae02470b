// ARENAFIT_SEGMENT's program as a model brings it.
//
// An input is a program. What the check accepts runs on blocks of exactly the sizes that it asks
// for, whatever it computes. What the rehearsal accepts, too, is right: with every tensor in memory
// of its own, rings of the given lengths give what whole tensors give, and so does the first output
// over the first input at the distance that the program claims.
#include <algorithm>
#include <map>
#include <vector>

#include "arenafit/segment.h"
#include "fuzz.h"

using fuzz::Counter;
using fuzz::Dice;
using fuzz::Load;
using fuzz::Require;
using fuzz::Store;

namespace {

constexpr uint64_t kLargest = 1 << 15;   // bytes of all tensors, for the sake of speed
constexpr uint64_t kMostWork = 1 << 18;  // multiplications, about

Counter g_refused("refused"), g_large("large"), g_ran("ran"), g_wrong("wrong rows");
Counter g_right("rings"), g_over("in place"), g_fed("fed");

using Bytes = std::vector<uint8_t>;

arenafit_program Header(const Bytes& program) { return Load<arenafit_program>(program.data()); }

size_t TensorAt(uint32_t index) {
  return sizeof(arenafit_program) + index * sizeof(arenafit_tensor);
}

arenafit_tensor Tensor(const Bytes& program, uint32_t index) {
  return Load<arenafit_tensor>(program.data() + TensorAt(index));
}

arenafit_operator Operator(const Bytes& program, uint32_t index) {
  return Load<arenafit_operator>(program.data() + TensorAt(Header(program).tensors) +
                                 index * sizeof(arenafit_operator));
}

size_t OverlapsAt(const Bytes& program) {
  const arenafit_program header = Header(program);
  return TensorAt(header.tensors) + header.operators * sizeof(arenafit_operator) +
         header.goals * sizeof(arenafit_goal);
}

uint32_t Crc32(const uint8_t* data, size_t size) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
    }
  }
  return ~crc;
}

void Seal(uint8_t* program, size_t size) { Store(program + 4, Crc32(program + 8, size - 8)); }

uint32_t ElementSize(uint32_t type) {
  switch (type) {
    case ARENAFIT_TENSOR_S8:
    case ARENAFIT_TENSOR_U8:
      return 1;
    case ARENAFIT_TENSOR_S16:
      return 2;
    default:
      return 4;
  }
}

uint64_t Size(const arenafit_tensor& tensor) {
  return uint64_t{tensor.rows} * tensor.width * tensor.channels * ElementSize(tensor.type);
}

// Whether a checked program is small, and soon done.
bool IsSmall(const Bytes& program) {
  const arenafit_program header = Header(program);
  uint64_t bytes = header.workspace, work = 0;
  for (uint32_t i = 0; i < header.tensors; ++i) {
    bytes += Size(Tensor(program, i));
  }
  for (uint32_t i = 0; i < header.operators; ++i) {
    const arenafit_operator op = Operator(program, i);
    const size_t first = OverlapsAt(program) + 4u * header.inputs * header.outputs + 2u * op.first;
    const arenafit_tensor y = Tensor(program, op.output);
    const arenafit_tensor x =
        op.operands == 0 ? y : Tensor(program, Load<uint16_t>(program.data() + first));
    uint64_t each = 1;
    if (op.kind <= ARENAFIT_AVERAGE_POOL_2D && op.kind != ARENAFIT_FULLY_CONNECTED) {
      const auto window = Load<arenafit_window>(program.data() + op.parameters);
      each = uint64_t{window.kernel_h} * window.kernel_w *
             (op.kind == ARENAFIT_CONV_2D ? x.channels : 1u);
    } else if (op.kind == ARENAFIT_FULLY_CONNECTED) {
      each = Size(x);
    }
    work += Size(y) * each + Size(x);
  }
  return bytes <= kLargest && work <= kMostWork;
}

Bytes Content(size_t size, unsigned seed) {
  Dice dice(seed);
  Bytes content(size);
  for (uint8_t& byte : content) {
    byte = static_cast<uint8_t>(dice.Below(256));
  }
  return content;
}

// What has been asked of a source of rows, and when it gives up.
struct Rows {
  std::map<uint32_t, uint32_t> next;  // of each input
  uint32_t left = UINT32_MAX;
};

int NextRow(void* context, uint32_t input, uint32_t row, void* into, size_t bytes) {
  auto* rows = static_cast<Rows*>(context);
  Require(row == rows->next[input]++, "rows are not fed in order, each once");
  if (rows->left == 0) {
    return 1;
  }
  --rows->left;
  const Bytes content = Content(bytes, input * 31 + row + 7);
  memcpy(into, content.data(), bytes);
  return 0;
}

// Runs a checked program; the first output `distance` bytes before the first input, if told. After
// `left` rows the source gives up.
std::vector<Bytes> Run(const Bytes& program, const int32_t* distance = nullptr,
                       uint32_t left = UINT32_MAX) {
  const arenafit_program header = Header(program);
  const auto* checked = reinterpret_cast<const arenafit_program*>(program.data());
  std::vector<fuzz::Block> blocks;
  std::vector<const void*> inputs(header.inputs);
  std::vector<void*> outputs(header.outputs);
  std::vector<Bytes> results(header.outputs);
  for (uint32_t i = 0; i < header.inputs; ++i) {
    const Bytes content = Content(arenafit_segment_input_size(checked, i), i + 1);
    blocks.push_back(fuzz::Copy(content.data(), content.size()));
    inputs[i] = blocks.back().get();
  }
  for (uint32_t i = 0; i < header.outputs; ++i) {
    results[i].resize(arenafit_segment_output_size(checked, i));
    blocks.push_back(fuzz::Copy(results[i].data(), results[i].size()));
    outputs[i] = blocks.back().get();
  }
  if (distance != nullptr) {
    const size_t in = arenafit_segment_input_size(checked, 0), out = results[0].size();
    const size_t read = *distance > 0 ? static_cast<size_t>(*distance) : 0;
    const size_t write = *distance < 0 ? static_cast<size_t>(-*distance) : 0;
    fuzz::Block block(new uint8_t[std::max(read + in, write + out)]());
    memcpy(block.get() + read, inputs[0], in);
    inputs[0] = block.get() + read;
    outputs[0] = block.get() + write;
    blocks.push_back(std::move(block));
    Require(arenafit_segment_check_overlap(checked, inputs.data(), outputs.data()) ==
                ARENAFIT_SEGMENT_OK,
            "a distance that is claimed is refused when it runs");
  }
  const Bytes dirt = Content(header.workspace, 99);
  const fuzz::Block workspace = fuzz::Copy(dirt.data(), dirt.size());
  Rows rows;
  rows.left = left;
  const arenafit_source source = {NextRow, &rows};
  const arenafit_segment_status status =
      arenafit_segment_run(checked, inputs.data(), outputs.data(), workspace.get(), &source);
  uint32_t fed = 0;
  for (const auto& [input, count] : rows.next) {
    fed += count;
  }
  Require(status == (fed > left ? ARENAFIT_SEGMENT_ABORTED : ARENAFIT_SEGMENT_OK),
          "a run ends with the wrong status");
  for (uint32_t i = 0; i < header.outputs; ++i) {
    memcpy(results[i].data(), outputs[i], results[i].size());
  }
  return results;
}

// The program with each tensor and all sums in memory of their own; with all of their rows, if
// `whole`.
Bytes Apart(Bytes program, bool whole) {
  arenafit_program header = Header(program);
  uint32_t end = ARENAFIT_STATE_SIZE(header.operators);
  const auto take = [&end](uint64_t bytes) {
    const uint32_t offset = end;
    end += static_cast<uint32_t>((bytes + 15) / 16 * 16);
    return offset;
  };
  for (uint32_t i = 0; i < header.tensors; ++i) {
    arenafit_tensor tensor = Tensor(program, i);
    if (tensor.place == ARENAFIT_PLACE_WORKSPACE) {
      tensor.ring = whole ? tensor.rows : tensor.ring;
      tensor.offset = take(Size(tensor));
      Store(program.data() + TensorAt(i), tensor);
    }
  }
  for (uint32_t i = 0; i < header.operators; ++i) {
    arenafit_operator op = Operator(program, i);
    op.accumulator = take(4u * Tensor(program, op.output).channels);
    Store(program.data() + TensorAt(header.tensors) + i * sizeof op, op);
  }
  header.workspace = end;
  Store(program.data(), header);
  Seal(program.data(), program.size());
  Require(arenafit_segment_check(program.data(), program.size()) == ARENAFIT_SEGMENT_OK,
          "tensors apart are refused");
  return program;
}

// ---- inputs that nearly make sense ----

uint32_t Change(uint32_t value, Dice* dice) {
  switch (dice->Below(8)) {
    case 0:
      return value + 1;
    case 1:
      return value - 1;
    case 2:
      return value * 2;
    case 3:
      return value ^ (1u << dice->Below(32));
    case 4:
      return value + 16;
    case 5:
      return value - 16;
    case 6:
      return dice->Below(9);
    default:
      return 0u - dice->Below(300);
  }
}

// Where to change something: mostly in tables and parameters.
size_t Place(const uint8_t* data, size_t size, Dice* dice) {
  const auto header = Load<arenafit_program>(data);
  const size_t operators = TensorAt(header.tensors);
  if (dice->OneIn(8) || header.operators == 0 || operators >= size) {
    return dice->Below(static_cast<uint32_t>(size));
  }
  const size_t at = operators + dice->Below(header.operators) * sizeof(arenafit_operator);
  if (dice->OneIn(2) && at + sizeof(arenafit_operator) <= size) {
    const uint64_t parameters = Load<arenafit_operator>(data + at).parameters;
    return static_cast<size_t>(
        std::min<uint64_t>(parameters + 2 * dice->Below(sizeof(arenafit_conv) / 2), size - 1));
  }
  return sizeof header / 4 + 2 * dice->Below(static_cast<uint32_t>(operators / 2 + 64));
}

}  // namespace

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Dice dice(seed);
  if (!dice.OneIn(4)) {
    return size;  // libFuzzer comes five times an input, and one change is often one too many
  }
  if (size < sizeof(arenafit_program) || dice.OneIn(16)) {
    size = LLVMFuzzerMutate(data, size, max_size);
  }
  for (uint32_t left = size < sizeof(arenafit_program) ? 0 : 1 + dice.OneIn(4); left > 0; --left) {
    const size_t at = Place(data, size, &dice) & ~size_t{1};
    if (at + 4 <= size && dice.OneIn(2)) {
      Store(data + at, Change(Load<uint32_t>(data + at), &dice));
    } else if (at + 2 <= size) {
      Store(data + at, static_cast<uint16_t>(Change(Load<uint16_t>(data + at), &dice)));
    }
  }
  if (size >= 8 && !dice.OneIn(16)) {
    Seal(data, size);
  }
  return size;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Block block = fuzz::Copy(data, size);
  if (arenafit_segment_check(block.get(), size) != ARENAFIT_SEGMENT_OK) {
    ++g_refused;
    return -1;  // no good to go on from: most changes of it are refused, too
  }
  const Bytes program(data, data + size);
  Require(size >= 8 && Load<uint32_t>(data + 4) == Crc32(data + 8, size - 8),
          "a wrong checksum is accepted");
  if (!IsSmall(program)) {
    ++g_large;
    return 0;
  }
  Run(program);
  ++g_ran;
  const auto* unchanged = reinterpret_cast<const arenafit_program*>(program.data());
  Require(!arenafit_segment_is_partial_conv(unchanged) || !arenafit_segment_is_fed(unchanged),
          "a convolution of its inputs is fed");
  if (arenafit_segment_is_fed(unchanged)) {
    ++g_fed;
    Run(program, nullptr, static_cast<uint32_t>(size % 7));
    Require(arenafit_segment_run(unchanged, nullptr, nullptr, nullptr, nullptr) ==
                ARENAFIT_SEGMENT_SOURCE,
            "it runs without a source");
  }
  const fuzz::Block state(new uint8_t[ARENAFIT_STATE_SIZE(Header(program).operators)]);
  if (arenafit_segment_rehearse(unchanged, state.get()) != ARENAFIT_SEGMENT_OK) {
    ++g_wrong;
    return 0;
  }
  const Bytes rings = Apart(program, false);
  const std::vector<Bytes> expected = Run(Apart(program, true));
  Require(Run(rings) == expected, "rings lose rows");
  ++g_right;
  const arenafit_program header = Header(program);
  if (header.inputs == 0 || header.outputs == 0) {
    return 0;
  }
  const auto* checked = reinterpret_cast<const arenafit_program*>(rings.data());
  const auto in = static_cast<int32_t>(arenafit_segment_input_size(checked, 0));
  const auto out = static_cast<int32_t>(arenafit_segment_output_size(checked, 0));
  const int32_t claimed = Load<int32_t>(rings.data() + OverlapsAt(rings));
  // Upwards to where both are aligned; unless they are apart then, as they may be anyway.
  const int32_t step = 4, least = std::min(std::max(claimed, -in), out);
  const int32_t distance = least + (step - least % step) % step;
  Require(Run(rings, &distance) == expected, "in place gives something else");
  ++g_over;
  return 0;
}
