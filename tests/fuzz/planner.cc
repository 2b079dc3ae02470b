// A plan that nobody vouches for, and the AddBuffer calls of a TFLM that has some model.
//
// An input is   room, calls: a byte each
//               calls x 12 bytes: size, offset (-1: none), first, last
//               the plan's blob, all of the rest; none: a model without a plan
//
// Both of arenafit's planners get it. What they accept must be a sound plan for those calls: live
// buffers apart, but for the pairs that the blob declares, at distances that it declares.
#include <stdarg.h>

#include <algorithm>
#include <vector>

#include "arenafit/memory_planner.h"
#include "arenafit/offline_memory_planner.h"
#include "fuzz.h"

using fuzz::Block;
using fuzz::Counter;
using fuzz::Dice;
using fuzz::Load;
using fuzz::Require;
using fuzz::Store;

// Formats, for the sanitizers to watch, and prints nothing.
void MicroPrintf(const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
}

namespace {

constexpr size_t kMostCalls = 48;
constexpr int kMostScopes = 64;  // of a plan that is printed: a line each, which takes its time
constexpr size_t kCall = 12, kBuffer = 12, kOverlap = 12, kHeader = 20;

Counter g_sound("sound"), g_refused("refused"), g_placed("placed"), g_anew("anew");
Counter g_declared("declared"), g_failed("failed");

struct Call {
  int32_t size, offset;
  int16_t first, last;
};

struct Input {
  size_t room;
  std::vector<Call> calls;
  const uint8_t* blob;
  size_t blob_size;
};

Input Parse(const uint8_t* data, size_t size) {
  Input input = {};
  if (size >= 2) {
    input.room = data[0];
    size_t calls = data[1] % (kMostCalls + 1);
    data += 2;
    size -= 2;
    for (; calls > 0 && size >= kCall; --calls, data += kCall, size -= kCall) {
      input.calls.push_back({Load<int32_t>(data), Load<int32_t>(data + 4), Load<int16_t>(data + 8),
                             Load<int16_t>(data + 10)});
    }
  }
  input.blob = data;
  input.blob_size = size;
  return input;
}

// ---- the format and its rules once more, as arenafit/plan.h words them ----

uint32_t Crc32(const uint8_t* data, size_t size) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
    }
  }
  return ~crc;
}

struct Placed {
  int64_t size, offset, first, last;
};

bool Meet(const Placed& a, const Placed& b) { return a.first <= b.last && b.first <= a.last; }

bool Share(const Placed& a, const Placed& b) {
  return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

struct Plan {
  uint32_t head;
  size_t tensors, buffers, overlaps;
  const uint8_t* records;

  explicit Plan(const uint8_t* blob)
      : head(Load<uint32_t>(blob + 8)),
        tensors(Load<uint16_t>(blob + 12)),
        buffers(Load<uint16_t>(blob + 14)),
        overlaps(Load<uint16_t>(blob + 16)),
        records(blob + kHeader) {}

  size_t Bytes() const { return kHeader + buffers * kBuffer + overlaps * kOverlap; }

  Placed Buffer(size_t i) const {
    const uint8_t* at = records + i * kBuffer;
    return {Load<uint32_t>(at), Load<uint32_t>(at + 4), Load<int16_t>(at + 8),
            Load<int16_t>(at + 10)};
  }

  // May output i be where it is although it shares bytes with j, its input?
  bool Declares(size_t i, size_t j) const {
    const int64_t distance = Buffer(j).offset - Buffer(i).offset;
    for (size_t k = 0; k < overlaps; ++k) {
      const uint8_t* at = records + buffers * kBuffer + k * kOverlap;
      if (Load<uint16_t>(at) == i && Load<uint16_t>(at + 2) == j &&
          Load<int32_t>(at + 4) <= distance && distance <= Load<int32_t>(at + 8)) {
        return Buffer(j).last == Buffer(i).first;
      }
    }
    return false;
  }
};

void RequireSound(const uint8_t* blob, size_t size) {
  Require(size >= kHeader && Load<uint32_t>(blob) == ARENAFIT_PLAN_MAGIC, "no plan is accepted");
  const Plan plan(blob);
  Require(size == plan.Bytes(), "a blob of another size than its counts say is accepted");
  Require(Load<uint32_t>(blob + 4) == Crc32(blob + 8, size - 8), "a wrong checksum is accepted");
  Require(plan.buffers == 0 || plan.head <= INT32_MAX, "a head beyond int32 is accepted");
  for (size_t i = 0; i < plan.buffers; ++i) {
    const Placed a = plan.Buffer(i);
    Require(a.offset + a.size <= plan.head, "a buffer beyond the head is accepted");
    Require(a.offset % 16 == 0, "an offset that is not aligned is accepted");
    for (size_t j = 0; j < i; ++j) {
      const Placed b = plan.Buffer(j);
      if (Meet(a, b) && Share(a, b)) {
        Require(plan.Declares(i, j) || plan.Declares(j, i), "an undeclared overlap is accepted");
        ++g_declared;
      }
    }
  }
}

// ---- the planners ----

// Whether the offsets are those of the plan, and the calls what it was made for.
bool IsPlanned(const Plan& plan, const std::vector<Call>& calls, const std::vector<int>& offsets) {
  if (calls.size() > plan.buffers) {
    return false;
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    const Placed b = plan.Buffer(i);
    const bool fits = i < plan.tensors ? calls[i].size == b.size : calls[i].size <= b.size;
    if (!fits || calls[i].first != b.first || calls[i].last != b.last || offsets[i] != b.offset) {
      return false;
    }
  }
  return true;
}

// The buffers where a planner put them. `plan`: the one that it followed, or null.
void RequirePlaced(const std::vector<Call>& calls, const std::vector<int>& offsets, size_t head,
                   const Plan* plan) {
  std::vector<Placed> placed;
  for (size_t i = 0; i < calls.size(); ++i) {
    placed.push_back({calls[i].size, offsets[i], calls[i].first, calls[i].last});
    const Placed& a = placed.back();
    Require(a.size >= 0 && a.offset >= 0 && a.offset + a.size <= static_cast<int64_t>(head),
            "a buffer is placed beyond the head");
    for (size_t j = 0; j < i; ++j) {
      if (!Meet(a, placed[j]) || !Share(a, placed[j])) {
        continue;
      }
      const bool given = calls[i].offset >= 0 && calls[j].offset >= 0;
      Require(plan != nullptr ? plan->Declares(i, j) || plan->Declares(j, i) : given,
              "live buffers are placed upon each other");
    }
  }
}

template <typename Planner>
void Run(const Input& input, const uint8_t* blob, bool online) {
  const arenafit::PlanBytes bytes = {input.blob_size == 0 ? nullptr : blob, input.blob_size};
  const size_t room = input.room * sizeof(arenafit_request);
  const Block scratch(new uint8_t[room]);
  Planner planner(bytes);
  planner.Init(scratch.get(), static_cast<int>(room));
  std::vector<Call> taken;
  for (const Call& call : input.calls) {
    const auto status = call.offset == -1
                            ? planner.AddBuffer(call.size, call.first, call.last)
                            : planner.AddBuffer(call.size, call.first, call.last, call.offset);
    if (status != tflite::micro::kTfLiteOk) {
      break;  // the end of AllocateTensors
    }
    taken.push_back(call);
  }
  Require(planner.GetBufferCount() == static_cast<int>(taken.size()), "another count of buffers");
  const size_t head = planner.GetMaximumMemorySize();
  std::vector<int> offsets;
  for (int i = 0, offset = 0; i < static_cast<int>(taken.size()); ++i) {
    if (planner.GetOffsetForBuffer(i, &offset) == tflite::micro::kTfLiteOk) {
      offsets.push_back(offset);
    }
  }
  int none = 0;
  Require(
      planner.GetOffsetForBuffer(-1, &none) != tflite::micro::kTfLiteOk &&
          planner.GetOffsetForBuffer(planner.GetBufferCount(), &none) != tflite::micro::kTfLiteOk,
      "a buffer that is none has an offset");
  if (std::all_of(taken.begin(), taken.end(), [](const Call& c) { return c.last < kMostScopes; })) {
    planner.PrintMemoryPlan();
  }
  if (offsets.size() < taken.size() || head > INT32_MAX) {
    Require(offsets.empty(), "only some buffers have an offset");
    ++g_failed;
    return;
  }
  // A plan that the check refuses, or that is for other buffers, must not have been followed.
  bool followed = false;
  if (bytes.data != nullptr && arenafit_plan_check(blob, input.blob_size) == ARENAFIT_PLAN_OK) {
    const Plan plan(blob);
    followed = IsPlanned(plan, taken, offsets) && head == plan.head;
    if (followed) {
      ++g_placed;
      RequirePlaced(taken, offsets, head, &plan);
    }
  }
  if (!followed) {
    Require(online || taken.empty(), "an offline planner has planned");
    ++g_anew;
    RequirePlaced(taken, offsets, head, nullptr);
  }
}

// ---- inputs that nearly make sense ----

// The blob's counts and checksum as they should be; what is behind its last record goes.
size_t Seal(uint8_t* blob, size_t size) {
  if (size < kHeader) {
    return size;
  }
  const size_t records = (size - kHeader) / kBuffer;
  const size_t buffers = Load<uint16_t>(blob + 14) % (records + 1);
  Store<uint32_t>(blob, ARENAFIT_PLAN_MAGIC);
  Store(blob + 14, static_cast<uint16_t>(buffers));
  Store(blob + 16, static_cast<uint16_t>(records - buffers));
  const size_t sealed = kHeader + records * kBuffer;
  Store(blob + 4, Crc32(blob + 8, sealed - 8));
  return sealed;
}

// Declares the overlaps that there are, at just their distances, and puts a head above all.
size_t Declare(uint8_t* blob, size_t size, size_t max_size) {
  if (size < kHeader || Plan(blob).Bytes() > size) {
    return size;
  }
  const Plan plan(blob);
  uint8_t* at = blob + kHeader + plan.buffers * kBuffer;
  uint16_t overlaps = 0;
  int64_t head = 0;
  for (size_t i = 0; i < plan.buffers; ++i) {
    const Placed a = plan.Buffer(i);
    head = head < a.offset + a.size ? a.offset + a.size : head;
    for (size_t j = 0; j < plan.buffers; ++j) {
      const Placed b = plan.Buffer(j);
      if (i == j || !Meet(a, b) || !Share(a, b) || b.last != a.first) {
        continue;
      }
      if (at + kOverlap > blob + max_size) {
        return size;
      }
      const int32_t distance = static_cast<int32_t>(b.offset - a.offset);
      Store(at, static_cast<uint16_t>(i));
      Store(at + 2, static_cast<uint16_t>(j));
      Store(at + 4, distance);
      Store(at + 8, distance);
      at += kOverlap;
      ++overlaps;
    }
  }
  Store(blob + 8, static_cast<uint32_t>(head));
  Store(blob + 16, overlaps);
  return static_cast<size_t>(at - blob);
}

// One record of the plan: a number in it becomes a small one, or another record's.
void Nudge(uint8_t* blob, Dice* dice) {
  const Plan plan(blob);
  if (plan.buffers == 0) {
    return;
  }
  uint8_t* to = blob + kHeader + dice->Below(static_cast<uint32_t>(plan.buffers)) * kBuffer;
  const uint8_t* from = plan.records + dice->Below(static_cast<uint32_t>(plan.buffers)) * kBuffer;
  switch (dice->Below(6)) {
    case 0:
      return Store(to, 16 * dice->Below(8));  // size
    case 1:
      return Store(to + 4, 16 * dice->Below(16));  // offset
    case 2:
      return Store(to + 4, Load<uint32_t>(from + 4));
    case 3:
      return Store(to + 8, Load<int16_t>(from + 10));  // created where the other is last used
    case 4:
      return Store(to + 10, Load<int16_t>(from + 8));
    default:
      return Store(blob + 12, static_cast<uint16_t>(dice->Below(8)));  // tensors
  }
}

// The calls become those that the plan is for; `calls` of them, each of kCall bytes.
void Follow(uint8_t* calls, size_t count, const uint8_t* blob) {
  const Plan plan(blob);
  for (size_t i = 0; i < count && i < plan.buffers; ++i) {
    memcpy(calls + i * kCall, plan.records + i * kBuffer, kBuffer);
    Store<int32_t>(calls + i * kCall + 4, -1);
  }
}

}  // namespace

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Dice dice(seed);
  size = LLVMFuzzerMutate(data, size, max_size);
  const Input input = Parse(data, size);
  uint8_t* blob = data + (input.blob - data);
  size_t blob_size = input.blob_size;
  if (dice.OneIn(8) || blob_size < kHeader) {
    return size;
  }
  blob_size = Seal(blob, blob_size);
  for (uint32_t nudges = dice.Below(3); nudges > 0; --nudges) {
    Nudge(blob, &dice);
  }
  if (dice.OneIn(2)) {
    blob_size = Declare(blob, blob_size, max_size - static_cast<size_t>(blob - data));
  }
  blob_size = Seal(blob, blob_size);
  if (!dice.OneIn(4)) {
    Follow(data + 2, input.calls.size(), blob);
  }
  return static_cast<size_t>(blob - data) + blob_size;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Input input = Parse(data, size);
  const Block blob = fuzz::Copy(input.blob, input.blob_size);
  if (arenafit_plan_check(blob.get(), input.blob_size) == ARENAFIT_PLAN_OK) {
    ++g_sound;
    RequireSound(blob.get(), input.blob_size);
  } else {
    ++g_refused;
  }
  Run<arenafit::MemoryPlanner>(input, blob.get(), true);
  Run<arenafit::OfflineMemoryPlanner>(input, blob.get(), false);
  return 0;
}
