// Planning on the device: any sizes, lifetimes and given offsets.
//
// An input is   attempts: a byte
//               12 bytes for each buffer: size, fixed (below 0: none), first, last
//
// The answer must be sound, and never larger than that of the greedy planner, restated here.
#include <algorithm>
#include <vector>

#include "arenafit/plan_online.h"
#include "fuzz.h"

using fuzz::Counter;
using fuzz::Dice;
using fuzz::Load;
using fuzz::Require;
using fuzz::Store;

namespace {

constexpr size_t kMost = 20, kRecord = 12;

Counter g_planned("planned"), g_better("better"), g_refused("refused");

std::vector<arenafit_request> Parse(const uint8_t* data, size_t size) {
  std::vector<arenafit_request> requests;
  for (size_t at = 1; at + kRecord <= size && requests.size() < kMost; at += kRecord) {
    arenafit_request request = {};
    request.size = Load<int32_t>(data + at) & INT32_MAX;
    request.fixed = std::max<int32_t>(Load<int32_t>(data + at + 4), ARENAFIT_ONLINE);
    request.first = Load<int16_t>(data + at + 8);
    request.last = Load<int16_t>(data + at + 10);
    requests.push_back(request);
  }
  return requests;
}

bool Meet(const arenafit_request& a, const arenafit_request& b) {
  return a.first <= b.last && b.first <= a.last;
}

bool Share(int64_t a, int64_t a_size, int64_t b, int64_t b_size) {
  return a < b + b_size && b < a + a_size;
}

// TFLM's greedy planner in the fewest words: those with an offset stand; then the largest first,
// of equals the last, each at the lowest place that is free: at 0 or at the end of another.
int64_t GreedyHead(const std::vector<arenafit_request>& requests) {
  std::vector<size_t> order(requests.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = order.size() - 1 - i;
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const bool given_a = requests[a].fixed >= 0, given_b = requests[b].fixed >= 0;
    return given_a != given_b ? given_a : !given_a && requests[a].size > requests[b].size;
  });
  int64_t head = 0;
  std::vector<int64_t> offsets(requests.size());
  for (size_t k = 0; k < order.size(); ++k) {
    const arenafit_request& wanted = requests[order[k]];
    std::vector<int64_t> places = {0};
    for (size_t j = 0; j < k; ++j) {
      places.push_back(offsets[order[j]] + requests[order[j]].size);
    }
    std::sort(places.begin(), places.end());
    int64_t found = wanted.fixed;
    for (size_t p = 0; p < places.size() && found < 0; ++p) {
      bool free = true;
      for (size_t j = 0; j < k && free; ++j) {
        const arenafit_request& other = requests[order[j]];
        free =
            !Meet(wanted, other) || !Share(places[p], wanted.size, offsets[order[j]], other.size);
      }
      found = free ? places[p] : -1;
    }
    Require(found >= 0, "behind all others there is always room");
    offsets[order[k]] = found;
    head = std::max(head, found + wanted.size);
  }
  return head;
}

// Small numbers, in which buffers get into each other's way, or such as hardly fit in 31 bits.
void Tame(uint8_t* record, Dice* dice) {
  const uint32_t unit = dice->OneIn(16) ? 1u << 28 : 16;
  Store(record, unit * dice->Below(8) - (unit > 16 ? dice->Below(32) : 0));
  Store(record + 4, dice->OneIn(4) ? unit * dice->Below(12) : UINT32_MAX);
  const uint32_t first = dice->Below(8);
  Store(record + 8, static_cast<int16_t>(first));
  Store(record + 10, static_cast<int16_t>(first + dice->Below(4)));
}

}  // namespace

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Dice dice(seed);
  size = LLVMFuzzerMutate(data, size, max_size);
  for (size_t at = 1; at + kRecord <= size; at += kRecord) {
    if (dice.OneIn(4)) {
      Tame(data + at, &dice);
    }
  }
  return size;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<arenafit_request> requests = Parse(data, size);
  const size_t count = requests.size(), bytes = count * sizeof(arenafit_request);
  const fuzz::Block block = fuzz::Copy(requests.data(), bytes);
  auto* answer = reinterpret_cast<arenafit_request*>(block.get());
  const uint32_t attempts = size == 0 ? 1 : 1 + data[0] % 16;
  const int64_t head = arenafit_plan_online(answer, static_cast<uint32_t>(count), attempts);
  const int64_t greedy = GreedyHead(requests);
  if (head < 0) {
    ++g_refused;
    Require(greedy > INT32_MAX, "no plan where greedy has one");
    return 0;
  }
  ++g_planned;
  Require(head <= greedy, "a plan is larger than greedy's");
  Require(attempts > 1 || head == greedy, "the first attempt is not greedy's");
  if (head < greedy) {
    ++g_better;
  }
  for (size_t i = 0; i < count; ++i) {
    const arenafit_request& a = answer[i];
    Require(a.size == requests[i].size && a.fixed == requests[i].fixed &&
                a.first == requests[i].first && a.last == requests[i].last,
            "a request was changed");
    Require(a.offset >= 0 && int64_t{a.offset} + a.size <= head, "planned beyond the head");
    Require(a.fixed < 0 || a.offset == a.fixed, "a given offset was changed");
    for (size_t j = 0; j < i; ++j) {
      const arenafit_request& b = answer[j];
      Require(!Meet(a, b) || !Share(a.offset, a.size, b.offset, b.size) ||
                  (a.fixed >= 0 && b.fixed >= 0),
              "live buffers are planned upon each other");
    }
  }
  return 0;
}
