/* The C twin of what every task goes through: the shim (`shim.Shim`), the links of a family (`family.Kin`), and the task
 * factory (`factory.py_task_factory`). Their Python twins are the specification: what is decided is decided there. Here
 * is only the path of a task that no signal has met; everything else is a call to the Python that `bind` was given.
 *
 *     asyncio's task_step ── PyIter_Send ──► shim_am_send ── am_send ──► the coroutine       no signal in flight
 *                         └─ throw, close ─► Python (shim.Shim's own functions, put into this type by `shim`)
 *                                    send ─► Python (Shim._resume), while `send` holds it
 *
 * All state but one number is the module's, so each interpreter has its own; every function needs the GIL, or a lock in
 * its place: a task and its shim belong to one loop, which runs in one thread.
 */

#include "speed.h"

State *
sigtask_state_of(PyObject *module)
{
    return (State *)PyModule_GetState(module);
}


/* -- the task factory ---------------------------------------------------------------------------------------------- */

/* Notes who spawned a task that asyncio has not initialized yet, and what comes of that: `task.adopt`. */
static int
adopt(State *state, PyObject *task, PyObject *shim, PyObject *parent)
{
    if (!PyObject_TypeCheck(parent, state->kin_type)) {
        return 0;
    }
    if (Py_IS_TYPE(parent, (PyTypeObject *)state->fresh)) {
        sigtask_link(task, parent); /* it has met no signal and has no block open: there is no more to it */
        return 0;
    }
    PyObject *adopted = PyObject_CallFunctionObjArgs(state->adopt, task, shim, parent, NULL);
    Py_XDECREF(adopted);
    return adopted == NULL ? -1 : 0;
}

/* The same of one that a stock task spawned, when it is initialized. */
static int
adopt_of_stock(State *state, PyObject *task, PyObject *parent)
{
    if (Py_IsNone(parent) || PyObject_TypeCheck(parent, state->kin_type)) {
        return 0;
    }
    PyObject *noted = PyObject_CallFunctionObjArgs(state->note_stock_parent, task, parent, NULL);
    Py_XDECREF(noted);
    return noted == NULL ? -1 : 0;
}

/* A task that drives `coro`; `options` is what asyncio's own `__init__` takes, `loop` among it, or NULL for none. */
static PyObject *
new_task(State *state, PyObject *loop, PyObject *coro, PyObject *options)
{
    PyObject *args = NULL, *parent = NULL, *task = NULL;
    PyObject *shim = sigtask_shim_new(state, coro);
    if (shim == NULL) {
        return NULL;
    }
    if ((args = PyTuple_Pack(1, shim)) == NULL ||
        (parent = PyObject_CallOneArg(state->current_task, loop)) == NULL ||
        (task = ((PyTypeObject *)state->fresh)->tp_new((PyTypeObject *)state->fresh, state->no_args, NULL)) == NULL) {
        goto done;
    }
    sigtask_attach(task, shim);
    if (adopt(state, task, shim, parent) < 0 || state->init(task, args, options) < 0 ||
        adopt_of_stock(state, task, parent) < 0) {
        Py_CLEAR(task);
    }
done:
    Py_DECREF(shim);
    Py_XDECREF(args);
    Py_XDECREF(parent);
    return task;
}

/* The keywords of a vectorcall as a dict, with room for one more; NULL with an exception. */
static PyObject *
keywords(PyObject *const *values, PyObject *names)
{
    PyObject *options = PyDict_New();
    Py_ssize_t n = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; options != NULL && i < n; i++) {
        if (PyDict_SetItem(options, PyTuple_GET_ITEM(names, i), values[i]) < 0) {
            Py_CLEAR(options);
        }
    }
    return options;
}

static int
ready(State *state, const char *name, Py_ssize_t nargs, Py_ssize_t wanted)
{
    if (!state->is_bound) {
        PyErr_Format(PyExc_RuntimeError, "%s() needs bind() to be called first: import sigtask", name);
        return 0;
    }
    if (nargs != wanted) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd positional arguments, got %zd", name, wanted, nargs);
        return 0;
    }
    return 1;
}

static PyObject *
task_factory(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = sigtask_state_of(module);
    if (!ready(state, "task_factory", nargs, 2)) {
        return NULL;
    }
    if (names == NULL) {
        PyObject *running = PyObject_CallNoArgs(state->running_loop);
        if (running == NULL) {
            return NULL;
        }
        Py_DECREF(running); /* it is only compared */
        if (running == args[0]) { /* asyncio's own default, which costs less than to name it */
            return new_task(state, args[0], args[1], NULL);
        }
    }
    PyObject *options = keywords(args + nargs, names), *task = NULL;
    if (options == NULL) {
        return NULL;
    }
    int twice = names == NULL ? 0 : PyDict_Contains(options, state->loop_name);
    if (twice > 0) {
        PyErr_SetString(PyExc_TypeError, "task_factory() got multiple values for argument 'loop'");
    }
    else if (twice == 0 && PyDict_SetItem(options, state->loop_name, args[0]) == 0) {
        task = new_task(state, args[0], args[1], options);
    }
    Py_DECREF(options);
    return task;
}

/* What asyncio.create_eager_task_factory() is given: as task_factory(), with the loop as a keyword. */
static PyObject *
construct(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = sigtask_state_of(module);
    if (!ready(state, "construct", nargs, 1)) {
        return NULL;
    }
    PyObject *options = keywords(args + nargs, names), *task = NULL;
    if (options == NULL) {
        return NULL;
    }
    PyObject *loop = PyDict_GetItemWithError(options, state->loop_name); /* borrowed, and `options` keeps it */
    if (loop != NULL) {
        task = new_task(state, loop, args[0], options);
    }
    else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_TypeError, "construct() missing 1 required keyword-only argument: 'loop'");
    }
    Py_DECREF(options);
    return task;
}

static PyObject *
launch(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    State *state = sigtask_state_of(module);
    if (!ready(state, "launch", nargs, 2)) {
        return NULL;
    }
    if (!PyObject_TypeCheck(args[0], state->kin_type) || !Py_IS_TYPE(args[1], state->delivery_type)) {
        return PyErr_Format(PyExc_TypeError, "launch() takes a task and a Delivery, got %R and %R", args[0], args[1]);
    }
    return sigtask_launch(state, args[0], args[1]) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
passed_on(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    State *state = sigtask_state_of(module);
    if (!ready(state, "passed_on", nargs, 2)) {
        return NULL;
    }
    if (!PyObject_TypeCheck(args[0], (PyTypeObject *)state->signal)) {
        return PyErr_Format(PyExc_TypeError, "passed_on() takes a signal, got %R", args[0]);
    }
    return sigtask_passed_on(args[0], args[1]) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
came_back(PyObject *Py_UNUSED(module), PyObject *task)
{
    sigtask_came_back(task);
    Py_RETURN_NONE;
}

static PyObject *
make_shim(PyObject *module, PyObject *coro)
{
    State *state = sigtask_state_of(module);
    return ready(state, "make_shim", 1, 1) ? sigtask_shim_new(state, coro) : NULL;
}

/* -- the module ---------------------------------------------------------------------------------------------------- */

PyDoc_STRVAR(factory_doc,
"task_factory($module, loop, coro, /, **kwargs)\n--\n\n"
"The task factory: makes every task of a loop a `sigtask.Task`. `install()` sets it, and does more.\n"
"\n"
"`loop.set_task_factory(sigtask.task_factory)` alone does not wrap `TaskGroup`, `timeout()` and `asyncio.shield`; so\n"
"prefer `install()`.\n"
"\n"
"Args:\n"
"    loop: The loop.\n"
"    coro: The coroutine.\n"
"    kwargs: `name`, `context`, `eager_start` and other options of `create_task`, passed to asyncio's task.\n"
"\n"
"Raises:\n"
"    TypeError: When `coro` is not a coroutine.\n"
"\n"
"Example::\n"
"\n"
"    async def main():\n"
"        asyncio.get_running_loop().set_task_factory(task_factory)\n"
"        task = asyncio.create_task(asyncio.sleep(0))\n"
"        print(isinstance(task, Task))  # True\n"
"\n"
"    asyncio.run(main())\n"
"\n"
".. versionadded:: 0.1.0");

static PyMethodDef speed_methods[] = {
    {"task_factory", (PyCFunction)(void (*)(void))task_factory, METH_FASTCALL | METH_KEYWORDS, factory_doc},
    {"construct", (PyCFunction)(void (*)(void))construct, METH_FASTCALL | METH_KEYWORDS,
     "construct($module, coro, /, *, loop, **kwargs)\n--\n\nThe task for `coro`, as task_factory makes it."},
    {"make_shim", make_shim, METH_O, "make_shim($module, coro, /)\n--\n\nThe shim for `coro`."},
    {"launch", (PyCFunction)(void (*)(void))launch, METH_FASTCALL,
     "launch($module, task, delivery, /)\n--\n\nflight.launch"},
    {"passed_on", (PyCFunction)(void (*)(void))passed_on, METH_FASTCALL,
     "passed_on($module, msg, below, /)\n--\n\nflight.passed_on"},
    {"bind_roll", sigtask_bind_roll, METH_VARARGS,
     "bind_roll($module, row, frame_place, is_the_users, is_leaf, /)\n--\n\nLikewise, for Roll."},
    {"bind_blocks", sigtask_bind_blocks, METH_VARARGS,
     "bind_blocks($module, accept, mask, catch, unused, open, closed, /)\n--\n\nLikewise, for Block."},
    {"have_children", sigtask_have_children, METH_O,
     "have_children($module, tasks, /)\n--\n\nWhether one of these tasks has spawned one that is still there."},
    {"all_belong", (PyCFunction)(void (*)(void))sigtask_all_belong, METH_FASTCALL,
     "all_belong($module, tasks, loop, other, /)\n--\n\nWhether all are tasks of ours, of this loop, and none is the other."},
    {"came_back", came_back, METH_O, "came_back($module, task, /)\n--\n\nflight.came_back"},
    {"bind", sigtask_bind, METH_VARARGS,
     "bind($module, names, docs, /)\n--\n\nTake what is written in Python by name. Gives what makes a signal: its __init__."},
    {"attach", (PyCFunction)(void (*)(void))sigtask_py_attach, METH_FASTCALL,
     "attach($module, task, shim, /)\n--\n\nThis shim is the task's; before anything else is done with it."},
    {"link", (PyCFunction)(void (*)(void))sigtask_py_link, METH_FASTCALL,
     "link($module, task, parent, /)\n--\n\nNote the parent of a task that has none so far; whether it is one of ours."},
    {NULL},
};

#define NAMES(X)                                                                                                       \
    X(loop_name, "loop") X(throw_name, "throw") X(running_name, "cr_running")                                            \
    X(level_name, "level") X(get_name_name, "get_name") X(signal_name, "signal") \
    X(qualname_name, "__qualname__") X(callback_name, "add_done_callback") X(frame_name, "cr_frame")                   \
    X(await_name, "cr_await") X(raise_name, "_raise_what_is_left") X(class_name, "__class__")

static int
speed_exec(PyObject *module)
{
    State *state = sigtask_state_of(module);
#define X(name, text)                                                                                                  \
    if ((state->name = PyUnicode_InternFromString(text)) == NULL) {                                                    \
        return -1;                                                                                                     \
    }
    NAMES(X)
#undef X
    if ((state->no_args = PyTuple_New(0)) == NULL || (state->context_names = Py_BuildValue("(s)", "context")) == NULL ||
        (state->shim_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sigtask_shim_spec, NULL)) == NULL ||
        (state->inbox_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sigtask_inbox_spec, NULL)) == NULL ||
        (state->delivery_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sigtask_delivery_spec, NULL)) == NULL ||
        (state->kin_type = sigtask_kin_type(module)) == NULL || PyModule_AddType(module, state->shim_type) < 0 ||
        PyModule_AddType(module, state->inbox_type) < 0 ||
        (state->roll_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sigtask_roll_spec, NULL)) == NULL ||
        PyModule_AddType(module, state->roll_type) < 0 || (state->zero = PyLong_FromLong(0)) == NULL ||
        (state->running_text = PyUnicode_InternFromString("still running")) == NULL ||
        (state->block_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sigtask_block_spec, NULL)) == NULL ||
        PyModule_AddType(module, state->block_type) < 0 ||
        (state->addressee_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sigtask_addressee_spec, NULL)) == NULL ||
        PyModule_AddType(module, state->delivery_type) < 0) {
        return -1;
    }
    PyObject *straight = Py_BuildValue("("
#define X(name) "s"
                                       SIGTASK_TASK_METHODS(X)
#undef X
                                       ")"
#define X(name) , #name
                                       SIGTASK_TASK_METHODS(X)
#undef X
    );
    int failed = straight == NULL || PyModule_AddObjectRef(module, "STRAIGHT", straight) < 0;
    Py_XDECREF(straight);
    return failed ? -1 : PyModule_AddType(module, state->kin_type);
}

#define OWN(X)                                                                                                         \
    X(shim_type) X(inbox_type) X(delivery_type) X(addressee_type) X(roll_type) X(block_type) X(kin_type) X(stock_done) X(stock_get_loop) X(stock_get_name)          \
    X(stock_cancelling) X(stock_uncancel) X(stock_result) X(row)      \
    X(frame_place) X(is_the_users) X(is_leaf) X(leaf) X(running_text) X(zero) X(accept) X(mask) \
    X(catch) X(unused) X(open) X(closed)

static int
speed_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = sigtask_state_of(module);
#define X(name) Py_VISIT(state->name);
    OWN(X)
    SIGTASK_BOUND(X)
#undef X
    return 0;
}

static int
speed_clear(PyObject *module)
{
    State *state = sigtask_state_of(module);
    state->is_bound = 0;
#define X(name) Py_CLEAR(state->name);
    OWN(X)
    SIGTASK_BOUND(X)
    X(no_args) X(context_names)
#undef X
#define X(name, text) Py_CLEAR(state->name);
    NAMES(X)
#undef X
    return 0;
}

static void
speed_free(void *module)
{
    (void)speed_clear((PyObject *)module);
}

static PyModuleDef_Slot speed_slots[] = {
    {Py_mod_exec, speed_exec},
#if PY_VERSION_HEX >= 0x030C0000
    /* An isolated one takes the twin in Python (`native`): `kin_at` is the process's, and written without a lock. */
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    /* No Py_mod_gil: on a free-threaded build importing this brings the GIL back. Nobody has tested it without. */
    {0, NULL},
};

static struct PyModuleDef speed_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sigtask._core.speed",
    .m_doc = "The C twin of sigtask's shim and task factory.",
    .m_size = sizeof(State),
    .m_methods = speed_methods,
    .m_slots = speed_slots,
    .m_traverse = speed_traverse,
    .m_clear = speed_clear,
    .m_free = speed_free,
};

PyMODINIT_FUNC
PyInit_speed(void)
{
    return PyModuleDef_Init(&speed_module);
}
