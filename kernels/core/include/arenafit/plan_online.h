/* Planning on the device, for models that bring no plan for the kernels at hand. */
#ifndef ARENAFIT_PLAN_ONLINE_H_
#define ARENAFIT_PLAN_ONLINE_H_

#include "arenafit/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Chooses the offsets of `count` requests: request->offset for each.
 *
 * requests   size, first, last and fixed are read. A buffer whose offset is fixed stays there, even
 *            on top of another such: that is what TFLM does with offline plans.
 * attempts   how many plans to make at most, >= 1
 *
 * Returns the bytes of arena that are needed, or -1 where the first attempt needs more than
 * INT32_MAX.
 *
 * Guarantee: never more than TFLM's GreedyMemoryPlanner needs, whose plan is the first attempt (the
 * largest buffer first, each into the lowest gap that holds it). For every further attempt the
 * buffer that reached highest in the last one goes before all others. It ends early where the
 * buffers that are alive with the highest one leave no room for improvement.
 * Time: attempts * count^2 gaps to look at, each of which may be passed several times.
 */
int32_t arenafit_plan_online(arenafit_request* requests, uint32_t count, uint32_t attempts);

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_PLAN_ONLINE_H_ */
