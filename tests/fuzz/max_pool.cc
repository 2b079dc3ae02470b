// ARENAFIT_MAX_POOL_2D as a model brings it: any tensors, any options.
//
// An input is   types: a byte each for input and output
//               ranks: a byte each
//               seed of the pixels: a byte; one without a meaning
//               distance to try: 2 bytes
//               extents: 8 words, those of the input first
//               the options, all of the rest
//
// Prepare and Eval are those that TFLM calls. What Prepare accepts runs on tensors in blocks of
// their own, and gives what a naive pool gives; so it does in one block, at the distance that the
// options claim, and at any other that Eval accepts.
#include <algorithm>
#include <vector>

#include "arenafit/max_pool.h"
#include "arenafit/register_ops.h"
#include "fuzz.h"

using fuzz::Block;
using fuzz::Counter;
using fuzz::Dice;
using fuzz::Load;
using fuzz::Require;
using fuzz::Store;

void MicroPrintf(const char*, ...) {}

namespace arenafit {
namespace tflm {
namespace {

constexpr size_t kExtents = 8, kOptions = kExtents + 8 * 4;
constexpr int64_t kLargest = 1 << 13;  // bytes of a tensor that is pooled, for the sake of speed

Counter g_ran("ran"), g_refused("refused"), g_in_place("in place"), g_large("large");
Counter g_unsafe("unsafe distance");

// Two tensors, and none other of a context. Only code that is compiled with the same few virtual
// functions sees it.
class Context final : public MicroContext {
 public:
  void* AllocatePersistentBuffer(size_t) override { return nullptr; }
  TfLiteStatus RequestScratchBufferInArena(size_t, int*) override { return kTfLiteError; }
  void* GetScratchBuffer(int) override { return nullptr; }
  TfLiteTensor* AllocateTempTfLiteTensor(int) override { return nullptr; }
  void DeallocateTempTfLiteTensor(TfLiteTensor*) override {}
  uint8_t* AllocateTempBuffer(size_t, size_t) override { return nullptr; }
  void DeallocateTempBuffer(uint8_t*) override {}
  TfLiteEvalTensor* GetEvalTensor(int index) override { return &tensors[index]; }

  TfLiteEvalTensor tensors[2] = {};
};

// An int array of TFLM in a block of its own.
struct IntArray {
  Block block;
  IntArray(const int32_t* values, int32_t size)
      : block(new uint8_t[sizeof(TfLiteIntArray) + 4 * static_cast<size_t>(size)]) {
    get()->size = size;
    memcpy(block.get() + 4, values, 4 * static_cast<size_t>(size));
  }
  TfLiteIntArray* get() { return reinterpret_cast<TfLiteIntArray*>(block.get()); }
};

TfLiteType TypeOf(uint8_t byte) {
  constexpr TfLiteType kTypes[] = {kTfLiteInt8,  kTfLiteInt16, kTfLiteFloat32,
                                   kTfLiteUInt8, kTfLiteInt32, kTfLiteNoType};
  return kTypes[byte % (sizeof kTypes / sizeof *kTypes)];
}

int64_t SizeOf(TfLiteType type) { return type == kTfLiteInt8 ? 1 : type == kTfLiteInt16 ? 2 : 4; }

// ---- the operator once more, from what TFLM's reference kernel does ----

template <typename T>
struct Range {
  T lowest, min, max;
};

template <typename T>
void NaivePool(const int32_t* in, const int32_t* out, const int32_t* words, const Range<T>& range,
               const uint8_t* source, uint8_t* target) {
  const auto at = [](const int32_t* e, int64_t n, int64_t h, int64_t w, int64_t c) {
    return static_cast<size_t>((((n * e[1] + h) * e[2] + w) * e[3] + c) * int64_t{sizeof(T)});
  };
  for (int64_t n = 0; n < out[0]; ++n) {
    for (int64_t h = 0; h < out[1]; ++h) {
      for (int64_t w = 0; w < out[2]; ++w) {
        for (int64_t c = 0; c < out[3]; ++c) {
          const int64_t top = h * words[3] - words[5], left = w * words[4] - words[6];
          T most = range.lowest;
          for (int64_t y = std::max<int64_t>(top, 0); y < std::min<int64_t>(top + words[1], in[1]);
               ++y) {
            for (int64_t x = std::max<int64_t>(left, 0);
                 x < std::min<int64_t>(left + words[2], in[2]); ++x) {
              most = std::max(most, Load<T>(source + at(in, n, y, x, c)));
            }
          }
          Store(target + at(out, n, h, w, c), std::min(std::max(most, range.min), range.max));
        }
      }
    }
  }
}

void Naive(TfLiteType type, const int32_t* in, const int32_t* out, const uint8_t* options,
           const uint8_t* source, uint8_t* target) {
  int32_t words[10];
  memcpy(words, options, sizeof words);
  if (type == kTfLiteInt8) {
    NaivePool<int8_t>(in, out, words,
                      {INT8_MIN, static_cast<int8_t>(words[7]), static_cast<int8_t>(words[8])},
                      source, target);
  } else if (type == kTfLiteInt16) {
    NaivePool<int16_t>(in, out, words,
                       {INT16_MIN, static_cast<int16_t>(words[7]), static_cast<int16_t>(words[8])},
                       source, target);
  } else {
    NaivePool<float>(in, out, words,
                     {std::numeric_limits<float>::lowest(), Load<float>(options + 28),
                      Load<float>(options + 32)},
                     source, target);
  }
}

// ---- one operator ----

struct Pool {
  Context context;
  TfLiteNode node = {};
  TFLMRegistration registration = RegisterMaxPool2D();

  TfLiteStatus Prepare() { return registration.prepare(AsContext(), &node); }
  TfLiteStatus Eval(void* in, void* out) {
    context.tensors[0].data.data = in;
    context.tensors[1].data.data = out;
    return registration.invoke(AsContext(), &node);
  }
  TfLiteContext* AsContext() { return reinterpret_cast<TfLiteContext*>(&context); }
};

// Pools in one block, with the input `distance` bytes behind the output.
void RunInPlace(Pool* pool, int64_t distance, bool must, const std::vector<uint8_t>& in,
                const std::vector<uint8_t>& expected) {
  const auto in_size = static_cast<int64_t>(in.size());
  const auto out_size = static_cast<int64_t>(expected.size());
  distance = std::min(std::max(distance, -in_size), out_size);
  const int64_t read = std::max<int64_t>(distance, 0), write = std::max<int64_t>(-distance, 0);
  const auto bytes = static_cast<size_t>(std::max(read + in_size, write + out_size));
  const Block block(new uint8_t[bytes]());
  memcpy(block.get() + read, in.data(), in.size());
  if (pool->Eval(block.get() + read, block.get() + write) != kTfLiteOk) {
    Require(!must, "a distance that is claimed is refused when it runs");
    Require(memcmp(block.get() + read, in.data(), in.size()) == 0, "refused, but not untouched");
    ++g_unsafe;
    return;
  }
  Require(memcmp(block.get() + write, expected.data(), expected.size()) == 0,
          "in place gives something else");
  ++g_in_place;
}

void RunAll(Pool* pool, const uint8_t* data, const int32_t* in, const int32_t* out,
            const uint8_t* options) {
  const TfLiteType type = pool->context.tensors[0].type;
  Require(type == pool->context.tensors[1].type, "tensors of two types are accepted");
  Require(type == kTfLiteInt8 || type == kTfLiteInt16 || type == kTfLiteFloat32,
          "tensors of another type are accepted");
  const int64_t size = SizeOf(type);
  int64_t in_bytes = size, out_bytes = size;
  for (int i = 0; i < 4; ++i) {
    in_bytes *= in[i];
    out_bytes *= out[i];
    Require(in_bytes > 0 && in_bytes <= INT32_MAX && out_bytes > 0 && out_bytes <= INT32_MAX,
            "a tensor of no bytes, or of too many, is accepted");
  }
  if (in_bytes > kLargest || out_bytes > kLargest) {
    ++g_large;
    return;
  }
  std::vector<uint8_t> source(static_cast<size_t>(in_bytes));
  std::minstd_rand pixels(data[4] + 1u);
  for (uint8_t& byte : source) {
    byte = static_cast<uint8_t>(pixels() >> 8);
  }
  std::vector<uint8_t> expected(static_cast<size_t>(out_bytes));
  Naive(type, in, out, options, source.data(), expected.data());
  const Block read = fuzz::Copy(source.data(), source.size());
  const Block written(new uint8_t[expected.size()]);
  Require(pool->Eval(read.get(), written.get()) == kTfLiteOk, "what Prepare accepts does not run");
  Require(memcmp(written.get(), expected.data(), expected.size()) == 0,
          "the maxima are not those of a naive pool");
  ++g_ran;
  // A plan keeps elements aligned: the next distance up that does is as safe.
  const auto aligned = [size](int64_t distance) {
    return (distance + (1 << 20)) / size * size - (1 << 20);
  };
  const int64_t claimed = Load<int32_t>(options + 36);
  const int64_t limit = 2 * kLargest;
  RunInPlace(pool, aligned(std::min(std::max(claimed, -limit), limit) + size - 1), true, source,
             expected);
  RunInPlace(pool, aligned(Load<int16_t>(data + 6)), false, source, expected);
}

// ---- inputs that nearly make sense ----

int32_t Small(Dice* dice, uint32_t limit) { return static_cast<int32_t>(dice->Below(limit)); }

// Everything in range, so that most of these run; then the mutator's own changes go on from there.
void Tame(uint8_t* data, Dice* dice) {
  int32_t words[10] = {1}, extents[8];
  const int32_t images = 1 + Small(dice, 2), channels = 1 + Small(dice, 36);
  data[0] = data[1] = static_cast<uint8_t>(dice->Below(3));
  data[2] = data[3] = 4;
  Store(data + 6, static_cast<int16_t>(Small(dice, 512) - 256));
  extents[0] = extents[4] = images;
  extents[3] = extents[7] = channels;
  for (int axis = 0; axis < 2; ++axis) {
    const int32_t extent = 1 + Small(dice, 12), filter = 1 + Small(dice, 5);
    const int32_t stride = 1 + Small(dice, 4), pad = Small(dice, static_cast<uint32_t>(filter));
    extents[1 + axis] = extent;
    extents[5 + axis] = 1 + Small(dice, static_cast<uint32_t>((extent + pad - 1) / stride + 1));
    words[1 + axis] = filter;
    words[3 + axis] = stride;
    words[5 + axis] = pad;
  }
  memcpy(data + kExtents, extents, sizeof extents);
  words[7] = -128 + Small(dice, 128);
  words[8] = Small(dice, 128);
  if (TypeOf(data[0]) == kTfLiteFloat32) {
    const float range[2] = {-1e30f * static_cast<float>(dice->Below(2)),
                            dice->OneIn(2) ? 6.f : 1e30f};
    memcpy(words + 7, range, sizeof range);
  }
  memcpy(data + kOptions, words, sizeof words);
}

// Claims what is safe, or a little more.
void Claim(uint8_t* data, Dice* dice) {
  const TfLiteType type = TypeOf(data[0]);
  const arenafit_type element = type == kTfLiteInt8    ? ARENAFIT_S8
                                : type == kTfLiteInt16 ? ARENAFIT_S16
                                                       : ARENAFIT_F32;
  arenafit_max_pool_2d_params params;
  arenafit_dims in, out;
  int32_t claimed;
  memcpy(&in, data + kExtents, sizeof in);
  memcpy(&out, data + kExtents + sizeof in, sizeof out);
  if (arenafit_max_pool_2d_parse(data + kOptions, ARENAFIT_MAX_POOL_2D_OPTIONS_SIZE, element,
                                 &params, &claimed) == ARENAFIT_OK &&
      arenafit_max_pool_2d_check(&params, element, &in, &out) == ARENAFIT_OK) {
    const int64_t least = arenafit_max_pool_2d_overlap(&params, element, &in, &out);
    Store(data + kOptions + 36,
          static_cast<int32_t>(std::max<int64_t>(least - Small(dice, 2), INT32_MIN)));
  }
}

}  // namespace
}  // namespace tflm
}  // namespace arenafit

namespace tflite {
namespace micro {
MicroContext* GetMicroContext(const TfLiteContext* context) {
  return reinterpret_cast<MicroContext*>(const_cast<TfLiteContext*>(context));
}
}  // namespace micro
}  // namespace tflite

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  using namespace arenafit::tflm;
  constexpr size_t kWhole = kOptions + ARENAFIT_MAX_POOL_2D_OPTIONS_SIZE;
  Dice dice(seed);
  if (max_size >= kWhole && dice.OneIn(4)) {
    memset(data, 0, kWhole);
    Tame(data, &dice);
    size = kWhole;
  } else {
    size = LLVMFuzzerMutate(data, size, max_size);
  }
  if (size >= kWhole && !dice.OneIn(4)) {
    Claim(data, &dice);
  }
  return size;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace arenafit::tflm;
  if (size < kOptions) {
    return 0;
  }
  int32_t extents[8];
  memcpy(extents, data + kExtents, sizeof extents);
  IntArray in(extents, data[2] % 5), out(extents + 4, data[3] % 5);
  const int32_t first = 0, second = 1, optional = -1;
  IntArray inputs(data[5] == 1 ? &optional : &first, data[5] != 2);
  IntArray outputs(data[5] == 3 ? &optional : &second, data[5] != 4);
  const Block options = fuzz::Copy(data + kOptions, size - kOptions);
  Pool pool;
  pool.context.tensors[0].type = TypeOf(data[0]);
  pool.context.tensors[0].dims = data[5] == 5 ? nullptr : in.get();
  pool.context.tensors[1].type = TypeOf(data[1]);
  pool.context.tensors[1].dims = out.get();
  pool.node.inputs = inputs.get();
  pool.node.outputs = data[5] == 6 ? nullptr : outputs.get();
  pool.node.custom_initial_data = size == kOptions ? nullptr : options.get();
  pool.node.custom_initial_data_size = static_cast<int>(size - kOptions);
  if (pool.Prepare() != kTfLiteOk) {
    ++g_refused;
    return 0;
  }
  RunAll(&pool, data, extents, extents + 4, options.get());
  return 0;
}
