// The planner's core on the device: sound plans obeyed, others refused, and planning without one.
#include <string.h>

#include "arenafit/plan.h"
#include "arenafit/plan_online.h"
#include "harness.h"
#include "planner_vectors.h"

enum { kModels = starts_count - 1, kMost = 160 };

static arenafit_request asked[kMost];

// What TFLM asks for, of model number `model`; returns how many buffers.
static uint32_t ask(int model) {
  const uint32_t count = (uint32_t)(starts[model + 1] - starts[model]);
  EXPECT(count <= kMost);
  for (uint32_t i = 0; i < count; i++) {
    const int32_t* row = &requests[4 * ((uint32_t)starts[model] + i)];
    asked[i] = (arenafit_request){.size = row[0], .first = row[1], .last = row[2], .fixed = row[3]};
  }
  return count;
}

static int largest(void) {
  int most = 0;
  for (int model = 1; model < kModels; model++) {
    if (starts[model + 1] - starts[model] > starts[most + 1] - starts[most]) most = model;
  }
  return most;
}

static const void* plan_of(int model, size_t* size) {
  *size = (size_t)(plan_starts[model + 1] - plan_starts[model]);
  return &plans[plan_starts[model]];
}

static void expect_sound(uint32_t count, int32_t head) {
  for (uint32_t i = 0; i < count; i++) {
    const arenafit_request* a = &asked[i];
    EXPECT(a->offset >= 0 && a->offset % 16 == 0 && a->offset + a->size <= head);
    for (uint32_t j = 0; j < i; j++) {
      const arenafit_request* b = &asked[j];
      EXPECT(a->first > b->last || b->first > a->last || a->offset >= b->offset + b->size ||
             b->offset >= a->offset + a->size);
    }
  }
}

TEST(every_model_s_plan_is_sound_and_for_its_buffers) {
  for (int model = 0; model < kModels; model++) {
    size_t size;
    const arenafit_plan* plan = plan_of(model, &size);
    EXPECT_EQ(ARENAFIT_PLAN_OK, arenafit_plan_check(plan, size));
    const uint32_t count = ask(model);
    EXPECT_EQ(count, plan->buffers);
    for (uint32_t i = 0; i < count; i++) {
      EXPECT_EQ(ARENAFIT_PLAN_OK, arenafit_plan_match(plan, i, &asked[i]));
      EXPECT(asked[i].offset + asked[i].size <= (int32_t)plan->head);
    }
    EXPECT(plan->head <= (uint32_t)heads[2 * model]);
  }
}

TEST(checking_the_largest_plan) {
  size_t size;
  const void* plan = plan_of(largest(), &size);
  MEASURE { EXPECT_EQ(ARENAFIT_PLAN_OK, arenafit_plan_check(plan, size)); }
}

#define EXPECT_REFUSED(name) EXPECT_EQ(name##_status, arenafit_plan_check(name, sizeof name))

TEST(a_plan_with_an_undeclared_overlap_is_refused) { EXPECT_REFUSED(undeclared); }

TEST(a_plan_that_declares_too_much_is_refused) { EXPECT_REFUSED(unused); }

TEST(a_plan_with_a_wrong_checksum_is_refused) { EXPECT_REFUSED(checksum); }

TEST(a_plan_with_an_offset_past_the_arena_is_refused) { EXPECT_REFUSED(beyond); }

TEST(each_refusal_has_a_message_of_its_own) {
  static const arenafit_plan_status refusals[] = {
      ARENAFIT_PLAN_FORMAT,     ARENAFIT_PLAN_TRUNCATED,   ARENAFIT_PLAN_CHECKSUM,
      ARENAFIT_PLAN_BOUNDS,     ARENAFIT_PLAN_UNDECLARED,  ARENAFIT_PLAN_UNUSED,
      ARENAFIT_PLAN_OTHER_MODEL, ARENAFIT_PLAN_SCRATCH_SIZE, ARENAFIT_PLAN_SCRATCH_OTHER,
  };
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    for (size_t j = 0; j < i; j++) {
      EXPECT(strcmp(arenafit_plan_message(refusals[i]), arenafit_plan_message(refusals[j])) != 0);
    }
    EXPECT(strlen(arenafit_plan_message(refusals[i])) > 1);
  }
}

TEST(a_plan_of_another_version_is_refused) { EXPECT_REFUSED(version); }

TEST(a_plan_is_refused_at_every_length_but_its_own) {
  size_t size;
  const void* plan = plan_of(spoilt_model, &size);
  EXPECT_EQ(ARENAFIT_PLAN_OK, arenafit_plan_check(plan, size));
  for (size_t cut = 0; cut < size; cut++) {
    EXPECT_EQ(cut < sizeof(arenafit_plan) ? ARENAFIT_PLAN_FORMAT : ARENAFIT_PLAN_TRUNCATED,
              arenafit_plan_check(plan, cut));
  }
}

TEST(a_plan_at_an_odd_address_is_refused_and_not_read) {
  size_t size;
  const void* plan = plan_of(spoilt_model, &size);
  static uint8_t copy[4096];
  EXPECT(size < sizeof copy);
  for (size_t odd = 1; odd < 4; odd++) {
    memcpy(copy + odd, plan, size);
    EXPECT_EQ(ARENAFIT_PLAN_FORMAT, arenafit_plan_check(copy + odd, size));
  }
}

TEST(scratch_larger_than_planned_does_not_fit) {
  const arenafit_plan* plan = (const arenafit_plan*)(const void*)small_scratch;
  EXPECT_EQ(ARENAFIT_PLAN_OK, arenafit_plan_check(plan, sizeof small_scratch));
  ask(spoilt_model);
  EXPECT_EQ(ARENAFIT_PLAN_SCRATCH_SIZE,
            arenafit_plan_match(plan, first_scratch, &asked[first_scratch]));
  EXPECT_EQ(ARENAFIT_PLAN_SCRATCH_OTHER,
            arenafit_plan_match(plan, first_scratch + 1, &asked[first_scratch - 1]));
}

TEST(another_model_s_tensors_do_not_fit) {
  size_t size;
  const arenafit_plan* plan = plan_of(spoilt_model, &size);
  ask(spoilt_model);
  asked[0].size += 16;
  EXPECT_EQ(ARENAFIT_PLAN_OTHER_MODEL, arenafit_plan_match(plan, 0, &asked[0]));
}

TEST(without_a_plan_no_model_needs_more_than_with_greedy_and_all_the_least) {
  for (int model = 0; model < kModels; model++) {
    const uint32_t count = ask(model);
    const int32_t head = arenafit_plan_online(asked, count, 64);
    expect_sound(count, head);
    EXPECT(head <= heads[2 * model]);
    EXPECT_EQ(heads[2 * model + 1], head);
  }
}

TEST(the_first_attempt_is_greedy_s_plan) {
  for (int model = 0; model < kModels; model++) {
    EXPECT_EQ(heads[2 * model], arenafit_plan_online(asked, ask(model), 1));
  }
}

TEST(planning_the_largest_model) {
  const uint32_t count = ask(largest());
  MEASURE { arenafit_plan_online(asked, count, 64); }
}

TEST(one_attempt_for_the_largest_model) {
  const uint32_t count = ask(largest());
  MEASURE { arenafit_plan_online(asked, count, 1); }
}
