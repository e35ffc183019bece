// SPDX-License-Identifier: GPL-2.0
// The smallest module that a test can tell apart: it says who it is when it comes and goes.
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

static char *greeting = "hello";
module_param(greeting, charp, 0444);
MODULE_PARM_DESC(greeting, "What the module says when it is loaded");

static int __init sample_init(void)
{
	pr_info("kmodflow_sample %s for %s: %s\n", SAMPLE_VERSION, SAMPLE_MODULE, greeting);
	return 0;
}

static void __exit sample_exit(void)
{
	pr_info("kmodflow_sample: goodbye\n");
}

module_init(sample_init);
module_exit(sample_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A sample for the tests of kmodflow");
MODULE_VERSION(SAMPLE_VERSION);
