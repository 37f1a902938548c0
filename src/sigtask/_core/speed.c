/* The C twin of the two things that every task goes through: the shim (`shim.Shim`) and the task factory
 * (`factory.py_task_factory`). Their Python twins are the specification: what is decided is decided there. Here is
 * only the path of a task that no signal has met; everything else is a call to the Python that `bind` was given.
 *
 *     asyncio's task_step ── PyIter_Send ──► shim_am_send ── am_send ──► the coroutine       no signal in flight
 *                         └─ throw, close ─► Python (shim.Shim's own functions, put into this type by `implementation`)
 *                                    send ─► Python (Shim._resume), while `send` holds it
 *
 * All state is the module's, so each interpreter has its own; every function needs the GIL, or a lock in its place:
 * a task and its shim belong to one loop, which runs in one thread.
 */

#include "speed.h"

static State *
state_of(PyObject *module)
{
    return (State *)PyModule_GetState(module);
}


/* -- the task factory ---------------------------------------------------------------------------------------------- */

static PyObject **
slot(PyObject *task, Py_ssize_t at)
{
    return (PyObject **)((char *)task + at);
}

/* Fills the slots of a task that asyncio has not initialized yet: `task.adopt`. */
static int
adopt(State *state, PyObject *task, PyObject *parent)
{
    *slot(task, state->inbox_at) = Py_NewRef(Py_None);
    *slot(task, state->ref_at) = Py_NewRef(Py_None);
    if (Py_IsNone(parent)) {
        *slot(task, state->parent_at) = Py_NewRef(Py_None);
        return 0;
    }
    PyObject *ref = PyObject_TypeCheck(parent, state->full) ? *slot(parent, state->ref_at) : NULL;
    if (ref != NULL && !Py_IsNone(ref)) {
        Py_INCREF(ref);
    }
    else if ((ref = PyObject_CallOneArg(state->link, parent)) == NULL) { /* this parent's first child */
        return -1;
    }
    *slot(task, state->parent_at) = ref;
    if (Py_IS_TYPE(parent, state->fresh)) {
        return 0; /* it has no block open */
    }
    PyObject *covered = PyObject_CallFunctionObjArgs(state->cover, task, parent, NULL);
    Py_XDECREF(covered);
    return covered == NULL ? -1 : 0;
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
        (task = state->fresh->tp_new(state->fresh, state->no_args, NULL)) == NULL ||
        adopt(state, task, parent) < 0 ||
        state->fresh->tp_init(task, args, options) < 0) {
        Py_CLEAR(task);
    }
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
    if (state->fresh == NULL) {
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
    State *state = state_of(module);
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
    State *state = state_of(module);
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
make_shim(PyObject *module, PyObject *coro)
{
    State *state = state_of(module);
    return ready(state, "make_shim", 1, 1) ? sigtask_shim_new(state, coro) : NULL;
}

/* Where the slot `name` of that type lies in its objects; -1 with an exception. */
static Py_ssize_t
offset_of(PyTypeObject *type, const char *name)
{
    Py_ssize_t at = -1;
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    if (found == NULL) {
        return -1;
    }
    if (Py_IS_TYPE(found, &PyMemberDescr_Type) && PyType_IsSubtype(type, PyDescr_TYPE(found)) &&
        ((PyMemberDescrObject *)found)->d_member->type == Py_T_OBJECT_EX) {
        at = ((PyMemberDescrObject *)found)->d_member->offset;
    }
    else {
        PyErr_Format(PyExc_TypeError, "%s.%s is not a slot", type->tp_name, name);
    }
    Py_DECREF(found);
    return at;
}

static PyObject *
bind(PyObject *module, PyObject *args)
{
    State *state = state_of(module);
    PyTypeObject *fresh, *full;
    PyObject *current_task, *running_loop, *iscoroutine, *link, *cover;
    if (!PyArg_ParseTuple(args, "O!O!OOOOO:bind", &PyType_Type, &fresh, &PyType_Type, &full, &current_task,
                          &running_loop, &iscoroutine, &link, &cover)) {
        return NULL;
    }
    if (!PyType_IsSubtype(fresh, full) || fresh->tp_basicsize != full->tp_basicsize) {
        PyErr_Format(PyExc_TypeError, "bind() takes a class of %s's own layout, got %s", full->tp_name, fresh->tp_name);
        return NULL;
    }
    Py_ssize_t inbox_at, parent_at, ref_at;
    if ((inbox_at = offset_of(full, "_inbox")) < 0 || (parent_at = offset_of(full, "_parent")) < 0 ||
        (ref_at = offset_of(full, "_ref")) < 0) {
        return NULL;
    }
    state->inbox_at = inbox_at;
    state->parent_at = parent_at;
    state->ref_at = ref_at;
    Py_XSETREF(state->full, (PyTypeObject *)Py_NewRef(full));
    Py_XSETREF(state->current_task, Py_NewRef(current_task));
    Py_XSETREF(state->running_loop, Py_NewRef(running_loop));
    Py_XSETREF(state->iscoroutine, Py_NewRef(iscoroutine));
    Py_XSETREF(state->link, Py_NewRef(link));
    Py_XSETREF(state->cover, Py_NewRef(cover));
    Py_XSETREF(state->fresh, (PyTypeObject *)Py_NewRef(fresh));
    Py_RETURN_NONE;
}


/* -- the module ---------------------------------------------------------------------------------------------------- */

PyDoc_STRVAR(factory_doc,
"task_factory($module, loop, coro, /, **kwargs)\n--\n\n"
"Make every task of a loop a `sigtask.Task`: `loop.set_task_factory(sigtask.task_factory)`.\n\n"
"`name`, `context`, `eager_start` and whatever else `create_task` passes go to asyncio's task as they are.\n\n"
"Raises: `TypeError` when `coro` is not a coroutine.");

static PyMethodDef speed_methods[] = {
    {"task_factory", (PyCFunction)(void (*)(void))task_factory, METH_FASTCALL | METH_KEYWORDS, factory_doc},
    {"construct", (PyCFunction)(void (*)(void))construct, METH_FASTCALL | METH_KEYWORDS,
     "construct($module, coro, /, *, loop, **kwargs)\n--\n\nThe task for `coro`, as task_factory makes it."},
    {"make_shim", make_shim, METH_O, "make_shim($module, coro, /)\n--\n\nThe shim for `coro`."},
    {"bind", bind, METH_VARARGS,
     "bind($module, fresh, full, current_task, running_loop, iscoroutine, link, cover, /)\n--\n\nName the Python that this is a part of."},
    {NULL},
};

static int
speed_exec(PyObject *module)
{
    State *state = state_of(module);
    if ((state->no_args = PyTuple_New(0)) == NULL ||
        (state->loop_name = PyUnicode_InternFromString("loop")) == NULL ||
        (state->shim_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sigtask_shim_spec, NULL)) == NULL) {
        return -1;
    }
    return PyModule_AddType(module, state->shim_type);
}

static int
speed_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = state_of(module);
    Py_VISIT(state->shim_type);
    Py_VISIT(state->fresh);
    Py_VISIT(state->full);
    Py_VISIT(state->current_task);
    Py_VISIT(state->running_loop);
    Py_VISIT(state->iscoroutine);
    Py_VISIT(state->link);
    Py_VISIT(state->cover);
    return 0;
}

static int
speed_clear(PyObject *module)
{
    State *state = state_of(module);
    Py_CLEAR(state->shim_type);
    Py_CLEAR(state->fresh);
    Py_CLEAR(state->full);
    Py_CLEAR(state->current_task);
    Py_CLEAR(state->running_loop);
    Py_CLEAR(state->iscoroutine);
    Py_CLEAR(state->link);
    Py_CLEAR(state->cover);
    Py_CLEAR(state->no_args);
    Py_CLEAR(state->loop_name);
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
    /* No object is shared, but nobody can test it: `sigtask` needs faulthandler, which loads in the main one only. */
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
