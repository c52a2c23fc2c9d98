//! The function table of a DMA adapter (wdm.h).

table! {
    /// `DMA_OPERATIONS`: what a driver calls through its DMA adapter.
    "DMA_OPERATIONS" [320]
    pub struct DmaOperations {
        header {
            0x000 => size: u32, "`Size`: bytes.";
            0x004 => _pad0: [u8; 4], "Padding.";
        }
        slots {
            0x008 => put_dma_adapter, "PutDmaAdapter", VISTA;
            0x010 => allocate_common_buffer, "AllocateCommonBuffer", VISTA;
            0x018 => free_common_buffer, "FreeCommonBuffer", VISTA;
            0x020 => allocate_adapter_channel, "AllocateAdapterChannel", VISTA;
            0x028 => flush_adapter_buffers, "FlushAdapterBuffers", VISTA;
            0x030 => free_adapter_channel, "FreeAdapterChannel", VISTA;
            0x038 => free_map_registers, "FreeMapRegisters", VISTA;
            0x040 => map_transfer, "MapTransfer", VISTA;
            0x048 => get_dma_alignment, "GetDmaAlignment", VISTA;
            0x050 => read_dma_counter, "ReadDmaCounter", VISTA;
            0x058 => get_scatter_gather_list, "GetScatterGatherList", VISTA;
            0x060 => put_scatter_gather_list, "PutScatterGatherList", VISTA;
            0x068 => calculate_scatter_gather_list, "CalculateScatterGatherList", VISTA;
            0x070 => build_scatter_gather_list, "BuildScatterGatherList", VISTA;
            0x078 => build_mdl_from_scatter_gather_list, "BuildMdlFromScatterGatherList", VISTA;
            0x080 => get_dma_adapter_info, "GetDmaAdapterInfo", VISTA;
            0x088 => get_dma_transfer_info, "GetDmaTransferInfo", VISTA;
            0x090 => initialize_dma_transfer_context, "InitializeDmaTransferContext", VISTA;
            0x098 => allocate_common_buffer_ex, "AllocateCommonBufferEx", VISTA;
            0x0a0 => allocate_adapter_channel_ex, "AllocateAdapterChannelEx", VISTA;
            0x0a8 => configure_adapter_channel, "ConfigureAdapterChannel", VISTA;
            0x0b0 => cancel_adapter_channel, "CancelAdapterChannel", VISTA;
            0x0b8 => map_transfer_ex, "MapTransferEx", VISTA;
            0x0c0 => get_scatter_gather_list_ex, "GetScatterGatherListEx", VISTA;
            0x0c8 => build_scatter_gather_list_ex, "BuildScatterGatherListEx", VISTA;
            0x0d0 => flush_adapter_buffers_ex, "FlushAdapterBuffersEx", VISTA;
            0x0d8 => free_adapter_object, "FreeAdapterObject", VISTA;
            0x0e0 => cancel_mapped_transfer, "CancelMappedTransfer", VISTA;
            0x0e8 => allocate_domain_common_buffer, "AllocateDomainCommonBuffer", VISTA;
            0x0f0 => flush_dma_buffer, "FlushDmaBuffer", VISTA;
            0x0f8 => join_dma_domain, "JoinDmaDomain", VISTA;
            0x100 => leave_dma_domain, "LeaveDmaDomain", VISTA;
            0x108 => get_dma_domain, "GetDmaDomain", VISTA;
            0x110 => allocate_common_buffer_with_bounds, "AllocateCommonBufferWithBounds", VISTA;
            0x118 => allocate_common_buffer_vector, "AllocateCommonBufferVector", VISTA;
            0x120 => get_common_buffer_from_vector_by_index, "GetCommonBufferFromVectorByIndex", VISTA;
            0x128 => free_common_buffer_from_vector, "FreeCommonBufferFromVector", VISTA;
            0x130 => free_common_buffer_vector, "FreeCommonBufferVector", VISTA;
            0x138 => create_common_buffer_from_mdl, "CreateCommonBufferFromMdl", VISTA;
        }
    }
}
